/**
 * What a start would find on this machine, without starting or making anything: the journal and the ports.
 * Where another process writes the journal, this configuration most likely runs already: its ports and its
 * slot are in use by itself.
 */
import type { Config } from "../config/config.js";
import type { Problem } from "../model/problem.js";
import type { SourcePosition } from "../model/position.js";
import { journalProblems } from "./journal-sources.js";
import { lookAt } from "./open-journal.js";
import { probeListen, probeOps } from "./port-probe.js";
import { told } from "./prepare-service.js";

export interface Surroundings {
  readonly problems: readonly Problem[];
  /** What the journal holds of a source that is being read now: what is in its way is this very reading. */
  readonly resume: (source: string) => SourcePosition | undefined;
}

export const unknownSurroundings: Surroundings = { problems: [], resume: () => undefined };

export async function lookAround(config: Config): Promise<Surroundings> {
  const problems: Problem[] = [];
  const path = ["journal", "path"];
  const look = await told(problems, path, () => lookAt(config.journal));
  if (look?.writer === undefined) {
    problems.push(...(await probeOps(config)), ...(await probeListen(config)));
  } else problems.push(inUse(look.writer, config));
  if (look === undefined) return { ...unknownSurroundings, problems };
  const { positions, facts, writer } = look;
  const sources = positions.keys();
  const found = journalProblems({ sources, fact: (name) => facts.get(name) }, config);
  problems.push(...found);
  const isRead = writer !== undefined && found.length === 0;
  return { problems, resume: (source) => (isRead ? positions.get(source) : undefined) };
}

function inUse(writer: string, { journal }: Config): Problem {
  const where = journal.kind === "memory" ? "memory" : journal.path;
  return {
    code: "JOURNAL_IN_USE",
    level: "warning",
    message: `process ${writer} writes the journal ${where}; its ports were not tried`,
    cure: "Stop it before the next `changecast run`; if it is this configuration, all is well.",
    path: ["journal", "path"],
  };
}
