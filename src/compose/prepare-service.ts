/**
 * Everything that can be known before a start is found out here, and told at once: addresses, the journal,
 * the sources and what rules make of their tables. Nothing is served and nothing is read from a source's
 * stream yet; where an error is among the problems, all is closed again.
 */
import type { Clock, Random } from "../base/clock.js";
import { systemClock, systemRandom } from "../base/clock.js";
import { errorCatalogue } from "../base/error-catalogue.js";
import { AppError } from "../base/errors.js";
import type { Log } from "../base/log.js";
import type { Config } from "../config/config.js";
import type { JournalWriter } from "../journal/journal.js";
import type { Problem } from "../model/problem.js";
import { Health } from "../ops/health.js";
import { createHttpAnswers } from "../ops/http-answers.js";
import { Metrics } from "../ops/metrics.js";
import { OpsServer } from "../ops/ops-server.js";
import { readStaticPages } from "../ops/static-pages.js";
import { askSources } from "./ask-sources.js";
import { journalProblems } from "./journal-sources.js";
import type { ReadSources } from "./journal-sources.js";
import { openJournal } from "./open-journal.js";
import { probeListen } from "./port-probe.js";
import { ServiceState } from "./service-state.js";
import { Service } from "./service.js";

export interface ServiceOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Log;
  /** Of this process. */
  readonly pid: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface Prepared {
  /** Undefined when a problem is an error. */
  readonly service: Service | undefined;
  /** With their paths in the configuration. */
  readonly problems: readonly Problem[];
}

/** Whoever gets a service runs it. Throws the signal's reason. */
export async function prepareService(
  options: ServiceOptions,
  signal: AbortSignal,
): Promise<Prepared> {
  const { config, version, log, pid, clock = systemClock, random = systemRandom } = options;
  const journalPath = config.journal.kind === "memory" ? undefined : config.journal.path;
  const sources = [...config.sources.keys()];
  const state = new ServiceState({ version, clock, sources, journalPath });
  const health = new Health(clock, state);
  const metrics = new Metrics();
  const ops = new OpsServer(createHttpAnswers({ health, metrics, log }));
  const problems: Problem[] = [];
  let journal: JournalWriter | undefined;
  let service: Service | undefined;
  try {
    const port = await told(problems, ["ops", "port"], () => ops.listen(config.ops));
    if (port !== undefined) log.info("ops.opened", { host: config.ops.host, port });
    problems.push(...(await probeListen(config)));
    const pages = await told(problems, ["listen", "pages"], async () => {
      return config.listen.pages === undefined ? undefined : readStaticPages(config.listen.pages);
    });
    journal = await told(problems, ["journal", "path"], () => {
      return openJournal(config.journal, { clock, random, pid });
    });
    const found = journal === undefined ? [] : journalProblems(sourcesOf(journal), config);
    problems.push(...found);
    const resume = resumeOf(journal, found);
    problems.push(...(await askSources({ config, signal, log, resume })));
    if (journal !== undefined && !problems.some(({ level }) => level === "error")) {
      const parts = { config, log, clock, random, state, health, metrics, ops, journal, pages };
      service = new Service(parts);
    }
    return { service, problems };
  } finally {
    if (service === undefined) {
      await journal?.close();
      await ops.close();
    }
  }
}

/** Positions of a journal that belongs to others would only confuse. */
function resumeOf(journal: JournalWriter | undefined, found: readonly Problem[]) {
  return (source: string) => (found.length > 0 ? undefined : journal?.position(source));
}

function sourcesOf(journal: JournalWriter): ReadSources {
  return { sources: journal.reader.notice.sources.keys(), fact: (name) => journal.fact(name) };
}

/** What `work` gives; a failure that has a cure becomes a problem at `path`. */
export async function told<T>(
  problems: Problem[],
  path: readonly string[],
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, message } = error;
    const cure = error.cure ?? errorCatalogue[code].cure;
    problems.push({ code, level: "error", message, cure, path });
    return undefined;
  }
}
