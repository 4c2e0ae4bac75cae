/**
 * Stands between the pipeline and every plug-in, and holds the plug-in to its contract: order of calls,
 * rising positions, closed transactions, whole rows in chunks, nothing after close. A connector that
 * breaks a rule is stopped (CONNECTOR_CONTRACT_BROKEN) before its data can reach the journal. It mends
 * nothing but one thing: acknowledgements are clamped, so that a source never sees one go back.
 */
import { assert } from "../base/assert.js";
import { AppError, errorText, InvariantError } from "../base/errors.js";
import type { SourceBatch } from "../model/change.js";
import { BatchCheck, relationFault } from "./batch-check.js";
import { chunkFault } from "./chunk-check.js";
import type {
  ChunkRequest,
  Connector,
  CopyChunk,
  CopyPower,
  OpenContext,
  SourceLag,
  SourceSession,
} from "./connector.js";

/** A memo rides in every commit of its source. */
const MEMO_BYTES_MAX = 256 * 1024;

/** The connector, held to its contract. */
export function guardConnector<Options>(connector: Connector<Options>): Connector<Options> {
  return {
    name: connector.name,
    optionsSchema: connector.optionsSchema,
    parseOptions: (raw) => connector.parseOptions(raw),
    check: (context) => connector.check(context),
    parsePosition: (text) => connector.parsePosition(text),
    open: async (context) => {
      const held = new Held(connector.name, context.source);
      const session = await held.call(() => connector.open(context), context.signal);
      const fault = openFault(context, session);
      if (fault !== undefined) {
        await session.close();
        held.broken(fault);
      }
      return new GuardedSession(held, session, context);
    },
  };
}

/** Names the plug-in in errors, and turns what it throws into what its contract allows. */
class Held {
  readonly #connector: string;
  readonly #source: string;

  constructor(connector: string, source: string) {
    this.#connector = connector;
    this.#source = source;
  }

  broken(rule: string, cause?: unknown): never {
    const message = `reading source ${this.#source}: the connector ${this.#connector} broke its contract: ${rule}`;
    const context = { connector: this.#connector, source: this.#source };
    throw new AppError("CONNECTOR_CONTRACT_BROKEN", message, { context, cause });
  }

  async call<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw this.asFailure(error, signal);
    }
  }

  asFailure(error: unknown, signal: AbortSignal): unknown {
    if (error instanceof AppError || error instanceof InvariantError) return error;
    if (signal.aborted) return signal.reason;
    try {
      return this.broken(`failures are AppErrors, this was: ${errorText(error)}`, error);
    } catch (broken) {
      return broken;
    }
  }
}

class GuardedSession implements SourceSession {
  readonly generation: number;
  readonly lost: SourceSession["lost"];
  readonly relations: SourceSession["relations"];
  readonly origins?: NonNullable<SourceSession["origins"]>;
  readonly copy?: CopyPower;
  readonly lag?: (position: string) => Promise<SourceLag | undefined>;
  readonly #held: Held;
  readonly #session: SourceSession;
  readonly #batches: BatchCheck;
  readonly #signal: AbortSignal;
  #isReading = false;
  #isCopying = false;
  #failed = false;
  #acknowledged = "";
  #closing: Promise<void> | undefined;

  constructor(held: Held, session: SourceSession, context: OpenContext<unknown>) {
    this.#held = held;
    this.#session = session;
    this.#signal = context.signal;
    this.generation = session.generation;
    this.lost = session.lost;
    this.relations = session.relations;
    if (session.origins !== undefined) this.origins = session.origins;
    const goesOn = context.resume?.generation === session.generation;
    this.#batches = new BatchCheck(goesOn ? context.resume.position : "");
    if (session.copy !== undefined) this.copy = this.#guardCopy(session.copy);
    if (session.lag !== undefined) {
      const ask = async (position: string): Promise<SourceLag | undefined> =>
        session.lag?.(position);
      this.lag = (position) => this.#ask("lag", () => ask(position), this.#signal);
    }
  }

  async *read(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    this.#assertUsable("read");
    assert(!this.#isReading, "read is called once per session");
    this.#isReading = true;
    try {
      for await (const batch of this.#session.read(signal)) {
        const fault = this.#batches.next(batch);
        if (fault !== undefined) this.#held.broken(fault);
        if (this.#closing !== undefined) this.#held.broken("a batch came after close");
        yield batch;
      }
      if (!signal.aborted) this.#held.broken("read ended although nobody asked it to");
    } catch (error) {
      this.#failed = true;
      throw this.#held.asFailure(error, signal);
    }
  }

  acknowledge(position: string): void {
    const yielded = this.#batches.closed;
    assert(position <= yielded, () => `acknowledging ${position}, which is beyond ${yielded}`);
    if (this.#failed || this.#closing !== undefined || position <= this.#acknowledged) return;
    this.#acknowledged = position;
    try {
      this.#session.acknowledge(position);
    } catch (error) {
      this.#held.broken("acknowledge never throws", error);
    }
  }

  memo(): string {
    assert(this.#closing === undefined, "memo after close");
    const memo = this.#session.memo();
    if (typeof memo !== "string" || memo.length > MEMO_BYTES_MAX) {
      this.#held.broken(`a memo is a text of at most ${MEMO_BYTES_MAX} bytes`);
    }
    return memo;
  }

  close(): Promise<void> {
    this.#closing ??= this.#session.close();
    return this.#closing;
  }

  #guardCopy(copy: CopyPower): CopyPower {
    return {
      chunk: (request, signal) => this.#chunk(copy, request, signal),
      estimate: (relation) => this.#ask("estimate", () => copy.estimate(relation), this.#signal),
    };
  }

  async #chunk(copy: CopyPower, request: ChunkRequest, signal: AbortSignal): Promise<CopyChunk> {
    assert(!this.#isCopying, "one chunk is asked for at a time");
    this.#isCopying = true;
    try {
      const chunk = await this.#ask("chunk", () => copy.chunk(request, signal), signal);
      const fault = chunkFault(chunk, request);
      if (fault !== undefined) this.#held.broken(fault);
      return chunk;
    } finally {
      this.#isCopying = false;
    }
  }

  async #ask<T>(what: string, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#assertUsable(what);
    try {
      return await this.#held.call(ask, signal);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  #assertUsable(what: string): void {
    assert(!this.#failed && this.#closing === undefined, `${what} on a session that has ended`);
  }
}

function openFault(context: OpenContext<unknown>, session: SourceSession): string | undefined {
  const { resume } = context;
  const { generation, lost } = session;
  if (resume === undefined) {
    if (generation !== 1) return `the first generation is 1, not ${generation}`;
  } else {
    const isNext = generation === resume.generation + 1;
    if (generation !== resume.generation && !isNext) {
      return `generation ${generation} follows ${resume.generation}`;
    }
    if (isNext !== (lost !== undefined))
      return "`lost` says why a generation is new, and only then";
  }
  const names = new Set<string>();
  for (const relation of session.relations) {
    if (names.has(relation.name)) return `relation ${relation.name} is listed twice`;
    names.add(relation.name);
    const fault = relationFault(relation);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
