/** Algorithms of request signatures (RFC 9421). A key is registered for one of them. */
export type SigningAlgorithm =
  "ed25519" | "ecdsa-p256-sha256" | "rsa-pss-sha512" | "rsa-v1_5-sha256" | "sm2-sm3";

/**
 * Signs requests by one registered key. `requestSigner` makes one from a private key; a key in an HSM, or an SM2 key, is
 * an object of your own.
 */
export type Signer = {
  /** The id of the registered key, sgk_…. */
  keyId: string;
  /** Signs a signature base as the key's algorithm says: ECDSA and SM2 as r and s of 32 bytes each. */
  sign(base: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
};

type Way = {
  key: RsaHashedImportParams | EcKeyImportParams | Algorithm;
  sign: AlgorithmIdentifier | RsaPssParams | EcdsaParams;
};

const ways: Readonly<Record<Exclude<SigningAlgorithm, "sm2-sm3">, Way>> = {
  ed25519: { key: { name: "Ed25519" }, sign: { name: "Ed25519" } },
  "ecdsa-p256-sha256": {
    key: { name: "ECDSA", namedCurve: "P-256" },
    sign: { name: "ECDSA", hash: "SHA-256" },
  },
  "rsa-pss-sha512": {
    key: { name: "RSA-PSS", hash: "SHA-512" },
    sign: { name: "RSA-PSS", saltLength: 64 },
  },
  "rsa-v1_5-sha256": {
    key: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    sign: { name: "RSASSA-PKCS1-v1_5" },
  },
};

/**
 * Makes a signer of a private key as PEM (PKCS #8: BEGIN PRIVATE KEY). Web Cryptography has no SM2: bring a Signer of
 * your own.
 */
export function requestSigner(
  keyId: string,
  privateKey: string,
  algorithm: Exclude<SigningAlgorithm, "sm2-sm3"> = "ed25519",
): Signer {
  const way = ways[algorithm];
  const text = /-----BEGIN PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END PRIVATE KEY-----/.exec(
    privateKey,
  )?.[1];
  if (text === undefined) throw new TypeError("the private key is no PEM of PKCS #8 (BEGIN PRIVATE KEY)");
  const der = Uint8Array.from(atob(text.replace(/\s/g, "")), (c) => c.charCodeAt(0));
  let key: Promise<CryptoKey> | undefined;
  return {
    keyId,
    async sign(base) {
      key ??= crypto.subtle.importKey("pkcs8", der, way.key, false, ["sign"]);
      return new Uint8Array(await crypto.subtle.sign(way.sign, await key, base));
    },
  };
}

/**
 * Adds Content-Digest, Signature-Input and Signature to a request's headers (RFC 9421, RFC 9530). Each try is signed
 * anew: a signature is taken once.
 */
export async function signRequest(
  request: { method: string; url: string; headers: Record<string, string>; body?: string | undefined },
  signer: Signer,
  now: number = Date.now(),
): Promise<void> {
  if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(signer.keyId)) {
    throw new TypeError("the id of a signing key looks like sgk_…");
  }
  const url = new URL(request.url);
  const lines: [string, string][] = [
    ["@method", request.method],
    ["@path", url.pathname],
  ];
  if (url.search !== "") lines.push(["@query", url.search]);
  if (request.body !== undefined && request.body !== "") {
    const sum = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(request.body));
    request.headers["Content-Digest"] = `sha-256=:${base64(new Uint8Array(sum))}:`;
    lines.push(["content-digest", request.headers["Content-Digest"]]);
  }
  const key = request.headers["Idempotency-Key"];
  if (key !== undefined) lines.push(["idempotency-key", key.trim()]);
  const covered = lines.map(([name]) => `"${name}"`).join(" ");
  const created = Math.floor(now / 1000);
  const parameters = `(${covered});created=${created};keyid="${signer.keyId}";nonce="${crypto.randomUUID()}"`;
  const base = [...lines.map(([name, value]) => `"${name}": ${value}`), `"@signature-params": ${parameters}`];
  const signature = await signer.sign(new TextEncoder().encode(base.join("\n")));
  request.headers["Signature-Input"] = `sig=${parameters}`;
  request.headers.Signature = `sig=:${base64(signature)}:`;
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
