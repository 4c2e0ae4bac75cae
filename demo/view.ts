/**
 * The demo's terminal. At a terminal a block of lines is drawn over itself in one write, so nothing
 * flickers and nothing scrolls; elsewhere plain lines are printed, seldom. Notes stand above the block.
 */
const DRAW_EVERY_MS = 250;
const PLAIN_EVERY_MS = 2_000;

export class View {
  readonly #lines: () => readonly string[];
  readonly #terminal: boolean;
  #timer: NodeJS.Timeout | undefined;
  /** Height of the block on the screen. */
  #drawn = 0;

  /** `lines` says what to show now; the first one alone is what a plain output gets. */
  constructor(lines: () => readonly string[]) {
    this.#lines = lines;
    this.#terminal = process.stdout.isTTY;
  }

  start(): void {
    if (this.#terminal) process.stdout.write("\u001b[?25l");
    this.#timer = setInterval(
      () => {
        if (this.#terminal) this.#draw();
        else process.stdout.write(`${this.#lines()[0] ?? ""}\n`);
      },
      this.#terminal ? DRAW_EVERY_MS : PLAIN_EVERY_MS,
    );
  }

  /** The last block stays on the screen. May be called twice, and without `start`. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (!this.#terminal) return;
    this.#draw();
    process.stdout.write("\u001b[?25h");
    this.#drawn = 0;
  }

  /** A line that stays. */
  note(line: string): void {
    if (!this.#terminal) {
      process.stdout.write(`${line}\n`);
      return;
    }
    process.stdout.write(`${this.#home()}${line}\u001b[K\n`);
    this.#drawn = 0;
    if (this.#timer !== undefined) this.#draw();
  }

  #draw(): void {
    const width = process.stdout.columns;
    const rows = this.#lines().map((line) => `${cut(line, width)}\u001b[K\n`);
    process.stdout.write(`${this.#home()}${rows.join("")}\u001b[J`);
    this.#drawn = rows.length;
  }

  #home(): string {
    return this.#drawn === 0 ? "" : `\u001b[${String(this.#drawn)}A\r`;
  }
}

/** A line that wraps would break the count of rows. */
function cut(line: string, width: number): string {
  return line.length < width ? line : `${line.slice(0, Math.max(0, width - 2))}…`;
}
