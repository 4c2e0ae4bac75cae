/** `npm run bench`: each bench prints one line of JSON with its figure and a reference of the same run. */
import { benchJournalAppend } from "./journal-append.js";

for (const bench of [benchJournalAppend]) {
  process.stdout.write(`${JSON.stringify(await bench())}\n`);
}
