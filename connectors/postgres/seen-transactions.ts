/**
 * Transactions that the stream has yielded and no snapshot has shown yet. A commit is sent as soon as it
 * is in the log, and becomes visible a moment later (with synchronous standbys: much later).
 */

/** With so many unseen ones a copy waits until a snapshot shows that all are visible. */
const SEEN_MAX = 10_000;

export class SeenTransactions {
  readonly #xids = new Set<number>();
  #beyond: number | undefined;
  /** The last snapshot looked at: what it shows stays visible. */
  #shown: Snapshot | undefined;

  constructor(xids: readonly number[] = [], beyond?: number) {
    this.#xids = new Set(xids);
    this.#beyond = beyond;
  }

  /** More came than are kept: everything up to this one, the highest of them, has to be visible. */
  get beyond(): number | undefined {
    return this.#beyond;
  }

  /** Low 32 bits, as the stream tells them. */
  add(xid: number): void {
    if (this.#shown !== undefined && isIn(this.#shown, xid)) return;
    if (this.#xids.size < SEEN_MAX) this.#xids.add(xid);
    else if (this.#beyond === undefined || isBefore(this.#beyond, xid)) this.#beyond = xid;
  }

  get xids(): readonly number[] {
    return [...this.#xids];
  }

  get count(): number {
    return this.#xids.size;
  }

  /** Forgets those that `xmin:xmax:xip,…` shows; whether `asked` are all among them. */
  areVisible(snapshot: string, asked: readonly number[] = this.xids): boolean {
    const shown = readSnapshot(snapshot);
    this.#shown = shown;
    for (const xid of this.#xids) {
      if (isIn(shown, xid)) this.#xids.delete(xid);
    }
    const { first } = shown;
    if (this.#beyond !== undefined && isBefore(this.#beyond, first)) this.#beyond = undefined;
    return this.#beyond === undefined && asked.every((xid) => !this.#xids.has(xid));
  }
}

/** Whether `xmin:xmax:xip,…` shows one transaction that has committed. */
export function isVisible(snapshot: string, xid: number): boolean {
  return isIn(readSnapshot(snapshot), xid);
}

function readSnapshot(text: string): Snapshot {
  const [xmin = "0", xmax = "0", list = ""] = text.split(":");
  const low = (xid: string): number => Number(BigInt(xid) & 0xffff_ffffn);
  const running = list.split(",").filter((xid) => xid !== "");
  return { first: low(xmin), end: low(xmax), running: new Set(running.map(low)) };
}

interface Snapshot {
  /** Everything before it is over. */
  readonly first: number;
  /** The first transaction that had not begun. */
  readonly end: number;
  readonly running: ReadonlySet<number>;
}

function isIn({ end, running }: Snapshot, xid: number): boolean {
  return isBefore(xid, end) && !running.has(xid);
}

/** On the circle of 32 bits, as Postgres compares them. */
function isBefore(xid: number, other: number): boolean {
  return ((xid - other) | 0) < 0;
}
