/** Whoever waits in a tab for channels, by what the leader says of them. */
import { AppError } from "../base/errors.js";
import type { ChannelStatus, SyncStatus } from "./status.js";

interface Wait {
  readonly names: readonly string[];
  readonly holds: (channel: ChannelStatus) => boolean;
  readonly resolve: () => void;
  readonly reject: (error: AppError) => void;
}

export class TabWaits {
  readonly #status: () => SyncStatus;
  readonly #waits = new Set<Wait>();

  constructor(status: () => SyncStatus) {
    this.#status = status;
  }

  ready(names: readonly string[]): Promise<void> {
    return this.#wait(names, ({ ready }) => ready);
  }

  live(names: readonly string[]): Promise<void> {
    return this.#wait(names, ({ state, ready }) => state === "live" && ready);
  }

  look(): void {
    const { channels } = this.#status();
    for (const wait of [...this.#waits]) {
      const states = wait.names.map((name) => [name, channels.get(name)] as const);
      const refused = states.find(
        ([, channel]) => channel?.state === "refused" && !wait.holds(channel),
      );
      const isDone = states.every(([, channel]) => channel !== undefined && wait.holds(channel));
      if (!isDone && refused === undefined) continue;
      this.#waits.delete(wait);
      if (refused === undefined) wait.resolve();
      else {
        const { message = "", code = "" } = refused[1]?.trouble ?? {};
        const text = `channel "${refused[0]}" was refused: ${message} (${code})`;
        wait.reject(new AppError("CLIENT_REFUSED", text));
      }
    }
  }

  close(error: AppError): void {
    for (const { reject } of this.#waits) reject(error);
    this.#waits.clear();
  }

  #wait(names: readonly string[], holds: Wait["holds"]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waits.add({ names, holds, resolve, reject });
      this.look();
    });
  }
}
