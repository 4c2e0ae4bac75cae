/**
 * The running service: starts from the sink to the source (broker, then pipeline; the journal is open),
 * stops the other way round, within one deadline. The operators' port is open before and after all of it.
 */
import { sleep } from "../base/abort.js";
import type { Clock, Random } from "../base/clock.js";
import { AppError, errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";
import { defaultLimits } from "../broker/broker-limits.js";
import { createBroker } from "../broker/broker.js";
import type { Config } from "../config/config.js";
import type { JournalWriter } from "../journal/journal.js";
import type { Health } from "../ops/health.js";
import { createHttpAnswers } from "../ops/http-answers.js";
import type { Metrics } from "../ops/metrics.js";
import type { OpsServer } from "../ops/ops-server.js";
import { Pipeline } from "../pipeline/pipeline.js";
import { authOptions, positionParser } from "./broker-options.js";
import { keepConnectors } from "./journal-sources.js";
import type { StaticPages } from "../ops/static-pages.js";
import type { ServiceState } from "./service-state.js";

/** Beyond the time that clients get to leave. Both together stay below the 10 s after which containers are killed. */
const STOP_MS_MAX = 4_000;

/** A journal that cannot be written is told again this often: reading goes on, but nothing new comes. */
const REMIND_MS = 60_000;

export interface ServiceParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly state: ServiceState;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Listening. */
  readonly ops: OpsServer;
  /** Open. */
  readonly journal: JournalWriter;
  /** Of the clients' port. */
  readonly pages: StaticPages | undefined;
}

interface RunningPart {
  readonly name: string;
  /** Resolves when it has released everything. May be called twice. */
  readonly stop: () => Promise<void>;
}

export class Service {
  readonly #parts: ServiceParts;
  readonly #failure = new AbortController();
  /** In the order in which they were started. */
  readonly #running: RunningPart[] = [];

  constructor(parts: ServiceParts) {
    this.#parts = parts;
    const { journal, ops } = parts;
    this.#running.push({ name: "ops", stop: () => ops.close() });
    this.#running.push({ name: "journal", stop: () => journal.close() });
  }

  /**
   * Serves until the signal, then stops in order and resolves. Rejects with what failed for good, after the
   * same stop, and with SERVICE_STOP_LATE.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { log, state } = this.#parts;
    const ended = AbortSignal.any([signal, this.#failure.signal]);
    try {
      await this.#start(ended);
      await untilAborted(ended);
    } catch (error) {
      if (!ended.aborted) this.#failure.abort(error);
    }
    state.phase = "stopping";
    log.info("service.stopping", { reason: errorText(ended.reason) });
    await this.#stopInTime();
    if (this.#failure.signal.aborted) throw this.#failure.signal.reason as Error;
    log.info("service.stopped");
  }

  async #start(ended: AbortSignal): Promise<void> {
    const { config, journal, state, metrics } = this.#parts;
    state.reader = journal.reader;
    metrics.observe(state);
    await keepConnectors(journal, config.sources);
    const pipeline = this.#createPipeline();
    await pipeline.begin();
    await this.#startBroker(ended);
    if (ended.aborted) return;
    state.phase = "serving";
    this.#startPipeline(pipeline);
  }

  /** Resolves when it listens, or when it is too late for that. */
  async #startBroker(ended: AbortSignal): Promise<void> {
    const { config, journal, log, clock, random, health, metrics, state, pages } = this.#parts;
    const { listen, limits, sources, auth } = config;
    let opened: () => void = () => undefined;
    const listening = new Promise<void>((resolve) => {
      opened = resolve;
    });
    if (auth === undefined) log.info("broker.auth.absent", { host: listen.host });
    const broker = createBroker({
      reader: journal.reader,
      listen: { host: listen.host, port: listen.port },
      sources: [...sources.keys()],
      parsePosition: positionParser(sources),
      ...authOptions(auth),
      ...(listen.origins === undefined ? {} : { origins: listen.origins }),
      onRequest: createHttpAnswers({ health, log, ...(pages === undefined ? {} : { pages }) }),
      onListening: opened,
      limits,
      metrics: metrics.broker(),
      ...{ log, clock, random },
    });
    state.broker = broker;
    this.#begin("broker", (end) => broker.run(end), this.#fail);
    await Promise.race([listening, untilAborted(ended)]);
  }

  #createPipeline(): Pipeline {
    const { config, journal, log, clock, random, metrics, state } = this.#parts;
    const pipeline = new Pipeline({
      journal,
      sources: [...config.sources.values()],
      rules: config.rules,
      ...{ clock, random, log, metrics: metrics.pipeline() },
    });
    state.pipeline = pipeline;
    return pipeline;
  }

  #startPipeline(pipeline: Pipeline): void {
    this.#begin(
      "pipeline",
      (end) => pipeline.run(end),
      (error) => {
        const isJournal = error instanceof AppError && error.code === "JOURNAL_WRITE_FAILED";
        if (isJournal) this.#serveOn(error);
        else this.#fail(error);
      },
    );
  }

  /** Clients go on reading what is here; the sources still hold what is not (their slots, their oplogs). */
  #serveOn(error: AppError): void {
    const { log, clock, state } = this.#parts;
    state.pipelineFailure = error.message;
    this.#begin(
      "reminder",
      async (end) => {
        while (!end.aborted) {
          const { code, message } = error;
          log.error("pipeline.ended", { code, error: message, still: "clients are served" });
          await sleep(clock, REMIND_MS, end).catch(() => undefined);
        }
      },
      this.#fail,
    );
  }

  readonly #fail = (error: unknown): void => {
    this.#failure.abort(error);
  };

  #begin(
    name: string,
    run: (end: AbortSignal) => Promise<void>,
    failed: (error: unknown) => void,
  ): void {
    const end = new AbortController();
    const ended = run(end.signal).catch(failed);
    const stop = async (): Promise<void> => {
      end.abort(new Error(`the ${name} is stopped`));
      await ended;
    };
    this.#running.push({ name, stop });
  }

  async #stopInTime(): Promise<void> {
    const { clock, config } = this.#parts;
    const delayMs = (config.limits.drainMs ?? defaultLimits.drainMs) + STOP_MS_MAX;
    const done = new AbortController();
    let still = "";
    const stopping = this.#stopAll((name) => {
      still = name;
    });
    const late = sleep(clock, delayMs, done.signal).then(
      () => {
        const message = `stopping: the ${still} did not end within ${delayMs} ms`;
        throw new AppError("SERVICE_STOP_LATE", message);
      },
      () => undefined,
    );
    try {
      await Promise.race([stopping, late]);
    } finally {
      done.abort(new Error("the service has stopped"));
    }
  }

  async #stopAll(tell: (name: string) => void): Promise<void> {
    for (const { name, stop } of this.#running.toReversed()) {
      tell(name);
      await stop();
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
