/**
 * What every store that outlives its object must do when it is opened again elsewhere: whoever had it open
 * before changes nothing any more, and the new one goes on undisturbed.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Store } from "../../src/client/stores/store.js";
import { products, type StoreSubject } from "./store.contract.js";
import { batch, step, unit } from "./store-units.js";

const writes: readonly (readonly [string, (store: Store) => Promise<unknown>])[] = [
  [
    "applies",
    (store) => store.apply(unit(2, [step("a", 2)], batch("a", products, [2, 2, 0, "d", 1]))),
  ],
  ["stages", (store) => store.stage([batch("a", products, [2, 2, 0, "i", 3, "late"])])],
  ["forgets what is staged", (store) => store.unstage(["a"])],
  ["detaches", (store) => store.detach(["a"])],
];

export function storeTakeoverContract(name: string, create: () => Promise<StoreSubject>): void {
  describe(`store that is opened again: ${name}`, () => {
    let subject: StoreSubject;

    beforeEach(async () => {
      subject = await create();
    });

    afterEach(async () => {
      await subject.close();
    });

    it.each(writes)("who had it before fails when it %s, and disturbs nobody", async (_, write) => {
      const { store } = subject;
      await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "tea"])));
      const next = subject.again();
      await next.open();
      await next.stage([batch("a", products, [2, 2, 0, "i", 2, "salt"])]);
      await expect(write(store)).rejects.toMatchObject({ code: "CLIENT_STORE_TAKEN" });
      await next.apply(
        unit(
          3,
          [{ ...step("a", 3), staged: true }],
          batch("a", products, [3, 3, 1, "i", 3, "oil"]),
        ),
      );
      const rows = await subject.rows(products);
      expect(rows.map((row) => Object.values(row)).sort()).toEqual([
        [1, "tea"],
        [2, "salt"],
        [3, "oil"],
      ]);
    });
  });
}
