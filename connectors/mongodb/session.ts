/**
 * One connection attempt: decides whether the deployment's history is the one that the journal knows, and opens
 * the stream before anything is looked at or copied: what happens from then on is in the stream.
 */
import { raceAbort, sleep } from "../../src/base/abort.js";
import { errorText } from "../../src/base/errors.js";
import type { OpenContext, SourceSession } from "../../src/connector/connector.js";
import type { Relation } from "../../src/model/change.js";
import type { Problem } from "../../src/model/problem.js";
import { ChangeGroups } from "./change-groups.js";
import { ChangeReader } from "./change-reader.js";
import { Collections, type ListedCollection } from "./collections.js";
import { copyPower } from "./copy.js";
import { closeClient, headOf, isAtLeast, openDeployment, type Deployment } from "./deployment.js";
import { DocumentReads } from "./document-reads.js";
import { failureOf, isHistoryLost } from "./failures.js";
import { filterHash, historyLost, isBefore, judgeHistory, memoOf, type Memo } from "./history.js";
import { MongodbSession } from "./mongodb-session.js";
import { NamespaceScope } from "./namespace-scope.js";
import type { MongodbOptions } from "./options.js";
import { ResumingStream } from "./resuming-stream.js";
import type { CursorPlan, StreamStart } from "./server-cursor.js";
import { Settling } from "./settling.js";
import { placeOf, type ClusterTime } from "./stream-position.js";
import { renewals, TransactionMaker } from "./transaction-maker.js";

const HEAD_PAUSE_MS = 250;
const HEAD_WAIT_MS = 5_000;

export type Context = OpenContext<MongodbOptions>;

export async function openSession(context: Context): Promise<SourceSession> {
  const { options, signal, source } = context;
  const deployment = await openDeployment(options, `changecast ${source}`, signal);
  const life = new AbortController();
  try {
    return await new Opening(context, deployment, life).open();
  } catch (error) {
    life.abort(error);
    await closeClient(deployment.client);
    signal.throwIfAborted();
    throw failureOf(error, `opening ${source}`);
  }
}

interface Started {
  readonly stream: ResumingStream;
  readonly lost: Problem | undefined;
}

class Opening {
  readonly #context: Context;
  readonly #deployment: Deployment;
  readonly #life: AbortController;
  readonly #scope: NamespaceScope;
  readonly #collections: Collections;

  constructor(context: Context, deployment: Deployment, life: AbortController) {
    const { relations: patterns, fields, options } = context;
    this.#context = context;
    this.#deployment = deployment;
    this.#life = life;
    this.#scope = new NamespaceScope(patterns, options.scope);
    this.#collections = new Collections({
      ...{ scope: this.#scope, patterns, fields, deployment, updates: options.updates },
    });
  }

  async open(): Promise<MongodbSession> {
    const { signal, resume, log } = this.#context;
    const { facts } = this.#deployment;
    const before = await raceAbort(this.#collections.list(), signal);
    const plan = cursorPlan(this.#context, this.#deployment, this.#scope, before);
    const memo = { filter: filterHash(plan.stages), setName: facts.setName };
    const { stream, lost } = await this.#start(plan, memo);
    // After the stream was opened: what comes later comes with its first change.
    const listed = await raceAbort(this.#collections.list(), signal);
    const goesOn = resume !== undefined && lost === undefined;
    const { clock } = this.#context;
    const life = AbortSignal.any([signal, this.#life.signal]);
    const reads = new DocumentReads({ deployment: this.#deployment, stream, clock, signal: life });
    const settling = new Settling(reads, log);
    const seen = {
      position: goesOn ? resume.position : "",
      transaction: goesOn ? resume.mark : "",
    };
    const maker = new TransactionMaker({
      groups: new ChangeGroups(new ChangeReader(this.#collections), seen),
      ...{ settling, position: seen.position },
      renewed: renewals(goesOn ? this.#relationsAhead(memoOf(resume)) : []),
    });
    return new MongodbSession({
      ...{ source: this.#context.source, deployment: this.#deployment, life: this.#life },
      ...{ stream, maker, lost, memo },
      generation: resume === undefined ? 1 : resume.generation + (lost === undefined ? 0 : 1),
      relations: this.#relations(listed),
      copy: copyPower({
        ...{ deployment: this.#deployment, reads, stream, signal: life },
        collections: this.#collections,
      }),
    });
  }

  async #start(plan: CursorPlan, memo: Omit<Memo, "ahead">): Promise<Started> {
    const { resume, source } = this.#context;
    if (resume === undefined) return { stream: await this.#stream(plan, {}), lost: undefined };
    const { time } = placeOf(resume.position);
    const head = await this.#headFrom(time);
    const verdict = judgeHistory(resume, { ...memo, head });
    let why = "lost" in verdict ? verdict.lost : "";
    if ("start" in verdict) {
      try {
        return { stream: await this.#stream(plan, verdict.start, time), lost: undefined };
      } catch (error) {
        if (!isHistoryLost(error)) throw error;
        why = errorText(error);
      }
    }
    return { stream: await this.#stream(plan, {}), lost: historyLost(source, why) };
  }

  /** The newest operation. A primary that was just elected may not know yet that a majority has what was read before. */
  async #headFrom(time: ClusterTime): Promise<ClusterTime> {
    const { clock, signal } = this.#context;
    const admin = this.#deployment.client.db("admin");
    for (let waited = 0; ; waited += HEAD_PAUSE_MS) {
      const head = await raceAbort(headOf(admin, "primaryPreferred"), signal);
      if (!isBefore(head, time) || waited >= HEAD_WAIT_MS) return head;
      await sleep(clock, HEAD_PAUSE_MS, signal);
    }
  }

  #stream(plan: CursorPlan, start: StreamStart, from?: ClusterTime): Promise<ResumingStream> {
    const { clock, random, log, signal } = this.#context;
    const life = AbortSignal.any([signal, this.#life.signal]);
    return ResumingStream.open({ plan, start, from, clock, random, log, signal: life });
  }

  /** What rules name outright is there even before its first document. */
  #relations(listed: readonly ListedCollection[]): readonly Relation[] {
    const found = new Map(this.#collections.named.map(({ relation }) => [relation.name, relation]));
    for (const { name, kind } of listed) {
      if (kind !== "collection") {
        this.#context.log.warn("mongodb.collection.left-out", { relation: name, kind });
        found.delete(name);
        continue;
      }
      const collection = this.#collections.byName(name);
      if (collection !== undefined) found.set(name, collection.relation);
    }
    return [...found.values()];
  }

  #relationsAhead({ ahead }: Memo): readonly Relation[] {
    return ahead.flatMap((name) => this.#collections.byName(name)?.relation ?? []);
  }
}

/** What the server runs: the filter, the user's stages, and the cutting of changes that are too large. */
export function cursorPlan(
  { options }: Pick<Context, "options">,
  deployment: Deployment,
  scope: NamespaceScope,
  listed: readonly ListedCollection[],
): CursorPlan {
  const { facts } = deployment;
  const splits = isAtLeast(facts, 7, 0) || (isAtLeast(facts, 6, 0, 9) && !isAtLeast(facts, 6, 1));
  const split = splits ? [{ $changeStreamSplitLargeEvent: {} }] : [];
  return {
    ...{ deployment, database: scope.database },
    stages: [scope.match, ...options.pipeline, ...split],
    hasImages: isAtLeast(facts, 6, 0) && listed.some(({ hasImages }) => hasImages),
  };
}
