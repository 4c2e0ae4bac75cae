/**
 * The only way to the terminal, the environment and the signals: main.ts makes the real one, tests make
 * their own. Results go to `out`, everything else (progress, problems, logs of short commands) to `err`,
 * so that a command's output can be piped.
 */
export interface Io {
  /** Writes one line of the result. */
  out(line: string): void;
  /** Writes one line beside the result. */
  err(line: string): void;
  /** Whether `out` and `err` end at a person's terminal. */
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Colours may be used on `out`. */
  readonly colour: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The first SIGINT or SIGTERM. The second one ends the process at once. */
  readonly stop: AbortSignal;
}
