/**
 * Looks at what the stream shows again, up to the position that the journal holds: the last commit has to be
 * there, where the slot offers it, and behind it nothing that would have been read. A database that was
 * restored, and then written to, shows something else; unseen, it would be skipped as known.
 */

/** What the stream shows below a position. */
export interface Proof {
  /** Of the last commit that was journaled; "" for none. */
  readonly mark: string;
  /** 0 for none. */
  readonly commitLsn: bigint;
  /** The slot stands at or before that commit: it comes again. */
  readonly isOffered: boolean;
  /** Up to here nothing is new. */
  readonly until: bigint;
}

export interface ShownCommit {
  readonly commitLsn: bigint;
  /** Asked of the one commit that counts. */
  mark(): string;
  /** Oids of the tables with changes in it; known where it was skipped. */
  readonly tables: ReadonlySet<number>;
}

export class HistoryProof {
  readonly #proof: Proof | undefined;
  readonly #wereRead: (tables: readonly number[]) => Promise<boolean>;
  readonly #result: Promise<boolean>;
  #resolve: (holds: boolean) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  readonly #strange = new Set<number>();
  #wasShown = false;
  #isDecided = false;

  /** `wereRead`: whether changes of one of the tables would have been journaled. */
  constructor(proof: Proof | undefined, wereRead: (tables: readonly number[]) => Promise<boolean>) {
    this.#proof = proof;
    this.#wereRead = wereRead;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody may be waiting for it any more when the stream fails.
    this.#result.catch(() => undefined);
    if (proof === undefined) this.#decide(true);
  }

  /** Where the stream has to come to. */
  get until(): bigint {
    return this.#proof?.until ?? 0n;
  }

  /** Whether the history is the one that was read before. */
  holds(): Promise<boolean> {
    return this.#result;
  }

  committed(commit: ShownCommit): void {
    const { commitLsn, tables } = commit;
    const proof = this.#proof;
    if (proof === undefined || this.#isDecided || commitLsn < proof.commitLsn) return;
    if (commitLsn === proof.commitLsn) {
      this.#wasShown = commit.mark() === proof.mark;
      if (!this.#wasShown) this.#decide(false);
    } else for (const table of tables) this.#strange.add(table);
  }

  /** Everything below `lsn` was shown. */
  passed(lsn: bigint): void {
    const proof = this.#proof;
    if (proof === undefined || this.#isDecided || lsn < proof.until) return;
    if (proof.isOffered && !this.#wasShown) this.#decide(false);
    else if (this.#strange.size === 0) this.#decide(true);
    else {
      this.#isDecided = true;
      this.#wereRead([...this.#strange]).then((were) => {
        this.#resolve(!were);
      }, this.#reject);
    }
  }

  fail(error: unknown): void {
    this.#reject(error);
  }

  #decide(holds: boolean): void {
    this.#isDecided = true;
    this.#resolve(holds);
  }
}
