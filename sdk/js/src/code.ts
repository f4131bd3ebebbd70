/**
 * Returns the payment code that a till scanned or somebody typed, without spaces; undefined where it cannot be one: scan
 * again. It looks at form and check digit (Luhn) only, so that a wrong bar code costs no call.
 */
export function parsePaymentCode(scanned: string): string | undefined {
  const code = scanned.replace(/\s+/g, "");
  if (!/^95\d{22}$/.test(code)) return undefined;
  const sum = Array.from(code)
    .reverse()
    .map((digit, i) => Number(digit) * (i % 2 === 0 ? 1 : 2))
    .reduce((total, value) => total + (value > 9 ? value - 9 : value), 0);
  return sum % 10 === 0 ? code : undefined;
}
