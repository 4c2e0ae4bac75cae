/**
 * `npm run bench [-- NAME …] [--quick]`: each bench prints one line of JSON with its figure and a reference of
 * the same run, then a table of all.
 */
import { browserBenches } from "./browser-benches.js";
import { printed } from "./figure.js";
import type { Figure } from "./figure.js";
import { brokerBenches } from "./broker-benches.js";
import { clientBenches } from "./client-benches.js";
import { ingest, ingestSmall } from "./ingest.js";
import { growth } from "./growth.js";
import { ingestHuge } from "./ingest-huge.js";
import { ingestMongodb } from "./ingest-mongodb.js";
import { journal } from "./journal.js";
import { latencyMongodb } from "./latency-mongodb.js";
import { memoryMongodb } from "./memory-mongodb.js";

const benches = [
  ...[journal, ingest, ingestSmall, ingestHuge, growth],
  ...[ingestMongodb, latencyMongodb, memoryMongodb],
  ...[...clientBenches, ...brokerBenches, ...browserBenches],
];

const words = process.argv.slice(2);
const isQuick = words.includes("--quick");
const names = words.filter((word) => !word.startsWith("--"));
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  const known = benches.map(({ name }) => name).join(", ");
  process.stderr.write(`there is no bench ${unknown.join(", ")}; there are ${known}\n`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const bench of benches) {
  if (names.length > 0 && !names.includes(bench.name)) continue;
  process.stderr.write(`${bench.name} …\n`);
  const figure = await bench.run(isQuick);
  figures.push(figure);
  process.stdout.write(`${printed(figure)}\n`);
}

process.stderr.write(`\n| bench | figure | reference | ratio |\n|---|---|---|---|\n`);
for (const { bench, figure, unit, reference, ratio } of figures) {
  const beside = `${String(reference.figure)} (${reference.what})`;
  process.stderr.write(`| ${bench} | ${String(figure)} ${unit} | ${beside} | ${String(ratio)} |\n`);
}
