import assert from "node:assert/strict";
import { constants, generateKeyPairSync, verify } from "node:crypto";
import { test } from "node:test";
import { Feiqian, requestSigner, signRequest } from "@feiqian/sdk";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 };

/** @typedef {(base: Buffer, signature: Buffer) => boolean} Check */

/**
 * Each algorithm with its keys and the check by Node's own crypto, not by what signed.
 *
 * @type {readonly (readonly ["ed25519" | "ecdsa-p256-sha256" | "rsa-pss-sha512" | "rsa-v1_5-sha256", { privateKey: import("node:crypto").KeyObject }, Check])[]}
 */
const cases = [
  ["ed25519", ed, (base, signature) => verify(null, base, ed.publicKey, signature)],
  [
    "ecdsa-p256-sha256",
    ec,
    (base, signature) => verify("sha256", base, { key: ec.publicKey, dsaEncoding: "ieee-p1363" }, signature),
  ],
  [
    "rsa-pss-sha512",
    rsa,
    (base, signature) => verify("sha512", base, { key: rsa.publicKey, ...pss }, signature),
  ],
  ["rsa-v1_5-sha256", rsa, (base, signature) => verify("sha256", base, rsa.publicKey, signature)],
];

for (const [algorithm, pair, holds] of cases) {
  test(`signs by ${algorithm}`, async () => {
    const pem = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const nonces = new Set();
    const client = new Feiqian("sk_sandbox_1", {
      baseUrl: "https://pay.example",
      signer: requestSigner("sgk_1", pem, algorithm),
      backoff: () => 0,
      fetch: (url, init) => {
        const headers = new Headers(init?.headers);
        const input = String(headers.get("Signature-Input")).slice("sig=".length);
        const lines = [
          '"@method": POST',
          '"@path": /v1/payments',
          '"@query": ?dry_run=true',
          `"content-digest": ${String(headers.get("Content-Digest"))}`,
          `"idempotency-key": ${String(headers.get("Idempotency-Key"))}`,
          `"@signature-params": ${input}`,
        ];
        assert.equal(url, "https://pay.example/v1/payments?dry_run=true");
        const signature = Buffer.from(String(headers.get("Signature")).slice("sig=:".length, -1), "base64");
        assert.ok(holds(Buffer.from(lines.join("\n")), signature));
        nonces.add(/nonce="([^"]+)"/.exec(input)?.[1]);
        const answer = nonces.size === 1 ? new Response("", { status: 503 }) : Response.json({ id: "pay_1" });
        return Promise.resolve(answer);
      },
    });
    await client.payments.create({ amount: 1, currency: "CNY" }, { dryRun: true });
    assert.equal(nonces.size, 2);
  });
}

test("signs a request without a body by a signer of one's own", async () => {
  /** @type {Record<string, string>} */
  const headers = {};
  const signer = { keyId: "sgk_sm2", sign: () => Promise.resolve(new Uint8Array([1, 2, 3])) };
  await signRequest({ method: "GET", url: "https://pay.example/v1/balance", headers }, signer, 1000);
  assert.equal(headers["Content-Digest"], undefined);
  assert.match(
    headers["Signature-Input"] ?? "",
    /^sig=\("@method" "@path"\);created=1;keyid="sgk_sm2";nonce="/,
  );
  assert.equal(headers.Signature, "sig=:AQID:");
});

test("refuses what is no key", async () => {
  assert.throws(() => requestSigner("sgk_1", "hello"), TypeError);
  const signer = { keyId: 'a"b', sign: () => Promise.resolve(new Uint8Array()) };
  await assert.rejects(signRequest({ method: "GET", url: "https://x/", headers: {} }, signer), TypeError);
});
