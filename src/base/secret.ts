/**
 * A value that must never be printed: a key, a password, options that hold one. Logs, JSON and
 * `util.inspect` see a placeholder; only `reveal` gives it, so every use can be found by that word.
 */
const PLACEHOLDER = "[secret]";

export class Secret<T = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return PLACEHOLDER;
  }

  toJSON(): string {
    return PLACEHOLDER;
  }

  /** What Node's console, assertions and test reporters show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return PLACEHOLDER;
  }
}
