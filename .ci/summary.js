// node .ci/summary.js RESULTS FAILED_STEPS: prints "N passed, N failed" from vitest's JSON and the
// number of failed steps. A test that did not run counts as failed: a skip proves nothing.
import console from "node:console";
import { readFileSync } from "node:fs";
import process from "node:process";

const [resultsFile, failedSteps] = process.argv.slice(2);
const text = readFileSync(resultsFile, "utf8");
const { testResults = [] } = text === "" ? {} : JSON.parse(text);

const tests = testResults.flatMap((file) =>
  file.assertionResults.map((result) => ({ file: file.name, ...result })),
);
const passed = tests.filter((result) => result.status === "passed").length;
const notPassed = tests.filter((result) => result.status !== "passed");
for (const { file, fullName, status } of notPassed) console.log(`${status}: ${file}: ${fullName}`);

// The test step failed too when a test did: count those tests, not the step on top of them. A file that
// could not be read, or an error outside any test, leaves the step as the one failure.
const testsFailed = notPassed.some((result) => result.status === "failed") ? 1 : 0;
const failed = notPassed.length + Math.max(0, Number(failedSteps) - testsFailed);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
