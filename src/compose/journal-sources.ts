/**
 * Whether a journal belongs to a configuration. Positions are kept by the source's name and mean something
 * to its connector alone, so a name that is gone, or stands for another kind of database, is refused: the
 * rows of the old one would stay with clients for ever. Another database of the same kind is for the
 * connector to find out, which knows its databases apart.
 */
import type { Config } from "../config/config.js";
import type { JournalWriter } from "../journal/journal.js";
import type { Problem } from "../model/problem.js";

const CONNECTOR_FACT = "service.connector.";

type Sources = Config["sources"];

/** What a journal says of the sources that were read into it. */
export interface ReadSources {
  readonly sources: Iterable<string>;
  fact(name: string): string | undefined;
}

export function journalProblems(
  journal: ReadSources,
  { sources, journal: { path } }: Pick<Config, "sources" | "journal">,
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const name of journal.sources) {
    const known = journal.fact(CONNECTOR_FACT + name);
    const source = sources.get(name);
    if (source === undefined) problems.push(strangerProblem(name, path, sources));
    else if (known !== undefined && known !== source.connector.name) {
      const found = `its source ${name} was read by the connector ${known}`;
      const message = `opening the journal ${path}: ${found}, not ${source.connector.name}`;
      const cure = `Set journal.path to an empty folder, or write \`connector: ${known}\` again.`;
      problems.push(problem(message, cure));
    }
  }
  return problems;
}

/** Writes down which connector each source has; nothing where that is known. */
export async function keepConnectors(journal: JournalWriter, sources: Sources): Promise<void> {
  const facts = new Map<string, string>();
  for (const { name, connector } of sources.values()) {
    if (journal.fact(CONNECTOR_FACT + name) !== connector.name) {
      facts.set(CONNECTOR_FACT + name, connector.name);
    }
  }
  if (facts.size > 0) await journal.append(journal.block(), { positions: new Map(), facts });
}

function strangerProblem(name: string, path: string, sources: Sources): Problem {
  const mine = [...sources.keys()].join(", ");
  const message = `opening the journal ${path}: it holds the source ${name}; here are ${mine}`;
  const cure =
    `Set journal.path to the folder of this configuration, or to an empty one; ` +
    `if ${name} was only renamed, give it its old name.`;
  return problem(message, cure);
}

function problem(message: string, cure: string): Problem {
  const path = ["journal", "path"];
  return { code: "JOURNAL_OTHER_SOURCE", level: "error", message, cure, path };
}
