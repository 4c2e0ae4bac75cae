/** An app's listeners, by name. What one throws is logged and reaches nobody else. */
import { errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";

export class Listeners<Events extends object> {
  readonly #log: Log;
  readonly #byName = new Map<keyof Events, Set<(value: never) => void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns the way to stop it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    let listeners = this.#byName.get(name);
    if (listeners === undefined) this.#byName.set(name, (listeners = new Set()));
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  has(name: keyof Events): boolean {
    return (this.#byName.get(name)?.size ?? 0) > 0;
  }

  tell<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#byName.get(name) ?? [])]) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        this.#log.error("client.listener.failed", { name: String(name), error: errorText(error) });
      }
    }
  }
}
