/**
 * `changecast parked`: the documents that could not be mapped, with position and reason, read from the
 * journal itself: it works beside a running service, and without one.
 */
import { openParked } from "../compose/open-journal.js";
import { loadConfig } from "../config/load.js";
import { reportProblems } from "../config/report.js";
import type { ScannedDocument } from "../journal/journal.js";
import {
  exitCodes,
  parseCommandArgs,
  refusePositionals,
  usageError,
  type Command,
} from "./command.js";
import type { Io } from "./io.js";

/** Documents that are in memory at a time. */
const PAGE = 500;

/** What a person reads; more with --limit. */
const LIMIT_DEFAULT = 1_000;

export const parkedCommand: Command = {
  name: "parked",
  help: `Lists the documents that could not be mapped, with position and reason.

Usage: changecast parked [-c FILE] [--limit N] [--json]

  -c, --config FILE   the configuration; default changecast.yaml
  --limit N           at most so many; default ${LIMIT_DEFAULT}
  --json              one JSON object per document and line, for programs

A document leaves the list when its row changes so that it can be mapped, when it is deleted,
and when its rule is mended: then its table is copied again. Beside a running service the list
is up to 2 s old.
`,
  run: async (args, io) => {
    const { values, positionals } = parseCommandArgs("parked", args, {
      config: { type: "string", short: "c", default: "changecast.yaml" },
      limit: { type: "string", default: String(LIMIT_DEFAULT) },
      json: { type: "boolean", default: false },
    });
    refusePositionals("parked", positionals);
    if (!/^[1-9]\d{0,8}$/.test(values.limit)) {
      throw usageError("parked", `--limit ${values.limit} is no number of documents`);
    }
    const { config, problems } = await loadConfig(values.config, io.env);
    if (config === undefined) {
      const colour = io.colour && io.errIsTerminal;
      for (const line of reportProblems(problems, { colour })) io.err(line);
      return exitCodes.refused;
    }
    const parked = openParked(config.journal);
    try {
      const print = values.json ? jsonLine : textLines;
      const limit = Number(values.limit);
      let count = 0;
      let page = await parked.page(undefined, Math.min(PAGE, limit));
      while (page.length > 0 && !io.stop.aborted) {
        for (const found of page) io.out(print(found));
        count += page.length;
        const last = page.at(-1)?.key;
        page = count < limit ? await parked.page(last, Math.min(PAGE, limit - count)) : [];
      }
      tellCount(count, parked.count, io);
    } finally {
      await parked.close();
    }
    return exitCodes.ok;
  },
};

function tellCount(shown: number, all: number, io: Io): void {
  if (all === 0 && shown === 0) io.err("no document is parked");
  else if (shown < all) io.err(`${shown} of ${all} parked documents`);
  else io.err(`${shown} parked document${shown === 1 ? "" : "s"}`);
}

function textLines({ key, document }: ScannedDocument): string {
  const { rule, relation, identity } = key;
  const { code = "", message = "", position = "", at = 0 } = document.parked ?? {};
  const since = new Date(at).toISOString();
  return `${rule}  ${relation} ${identity}\n  ${message} (${code})\n  at ${position}, ${since}`;
}

function jsonLine({ key, document }: ScannedDocument): string {
  return JSON.stringify({ ...key, ...document.parked });
}
