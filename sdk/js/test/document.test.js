import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DocumentError, PlatformKeys } from "@feiqian/sdk";

/** @typedef {{ keys: import("@feiqian/sdk").KeySet, app_result: string, order: import("@feiqian/sdk").Instruction, payment: import("@feiqian/sdk").Instruction }} Known */
const file = readFileSync(new URL("../../testdata/documents.json", import.meta.url), "utf8");
/** @type {(text: string) => unknown} */
const parse = JSON.parse;
const known = /** @type {Known} */ (parse(file));
const keys = new PlatformKeys(known.keys);
const then = () => 1_800_000_001_000;

test("a result of an app request", async () => {
  const result = await keys.verifyAppResult(`exampleshop://paid?feiqian_result=${known.app_result}`, then);
  assert.deepEqual([result.state, result.amount, result.app], ["succeeded", 1999, "com.example.shop"]);
  const [head, body, end] = known.app_result.split(".");
  for (const bad of [
    "",
    "x",
    `${head}.${body}.`,
    `${head}.${body}x.${end}`,
    `${known.app_result}=`,
    `${known.app_result}.x`,
    known.order.link,
  ]) {
    await assert.rejects(keys.verifyAppResult(bad, then), DocumentError, bad);
  }
  await assert.rejects(
    keys.verifyAppResult(known.app_result, () => 1_800_000_600_000),
    DocumentError,
  );
  await assert.rejects(new PlatformKeys({ keys: [] }).verifyAppResult(known.app_result, then), DocumentError);
});

test("the halves of an instruction", async () => {
  for (const half of [known.order, known.payment]) {
    await keys.verifyInstruction(half);
    for (const change of [
      { text: half.text + " " },
      { salt: "" },
      { other_hash: "" },
      { payment_id: "pay_2" },
      { link: known.app_result },
    ]) {
      await assert.rejects(keys.verifyInstruction({ ...half, ...change }), DocumentError);
    }
  }
  await assert.rejects(keys.verifyInstruction({ ...known.order, half: "payment" }), DocumentError);
});
