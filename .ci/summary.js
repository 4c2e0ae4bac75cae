// node .ci/summary.js FAILED_STEPS RESULTS...: prints "N passed, N failed" from vitest's JSON, one file for
// each step that ran tests, and the number of failed steps. A test that did not run counts as failed: a
// skip proves nothing.
import console from "node:console";
import { readFileSync } from "node:fs";
import process from "node:process";

const LINES_MAX = 12;

/** The first lines of a message, indented. */
const linesOf = (message) =>
  message
    .split("\n")
    .slice(0, LINES_MAX)
    .map((line) => `  ${line.slice(0, 300)}`)
    .join("\n");

const [failedSteps, ...resultFiles] = process.argv.slice(2);
let passed = 0;
let failed = Number(failedSteps);

for (const resultsFile of resultFiles) {
  const text = readFileSync(resultsFile, "utf8");
  const { testResults = [] } = text === "" ? {} : JSON.parse(text);
  const tests = testResults.flatMap((file) =>
    file.assertionResults.map((result) => ({ file: file.name, ...result })),
  );
  const notPassed = tests.filter((result) => result.status !== "passed");
  for (const { file, fullName, status, failureMessages = [] } of notPassed) {
    console.log(`${status}: ${file}: ${fullName}`);
    for (const message of failureMessages) console.log(linesOf(message));
  }
  passed += tests.length - notPassed.length;
  failed += notPassed.length;
  // The step failed too when a test did: count those tests, not the step on top of them. A file that
  // could not be read, or an error outside any test, leaves the step as the one failure.
  if (notPassed.some((result) => result.status === "failed")) failed -= 1;
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
