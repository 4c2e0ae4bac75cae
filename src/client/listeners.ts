/** An app's listeners, by name. What one throws is logged and reaches nobody else. */
import { errorText } from "../base/errors.js";
import type { Log } from "../base/log.js";

interface Heard<Events> {
  readonly name: keyof Events;
  readonly listener: (value: never) => void;
}

export class Listeners<Events extends object> {
  readonly #log: Log;
  readonly #all = new Set<Heard<Events>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns the way to stop it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const heard = { name, listener };
    this.#all.add(heard);
    return () => {
      this.#all.delete(heard);
    };
  }

  has(name: keyof Events): boolean {
    return [...this.#all].some((heard) => heard.name === name);
  }

  tell<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const heard of [...this.#all]) {
      try {
        if (heard.name === name) (heard.listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        this.#log.error("client.listener.failed", { name, error: errorText(error) });
      }
    }
  }
}
