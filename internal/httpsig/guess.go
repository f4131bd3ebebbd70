package httpsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // to recognize a signature made by it, never to accept one
	"crypto/sha256"
	"crypto/sha512"
	"strings"
)

// The mistakes that signers make, each tried on a signature that does not hold: what would have made it hold is what
// its signer did. A guess never lets a request in.

// explain says why a signature is not the key's over base.
func (q Question) explain(l Labeled, key Key, base []byte) Flaw {
	if why, hint := wrongForm(key, base, l.Bytes); why != "" {
		return *flaw(CodeWrong, why, hint)
	}
	for _, other := range q.Others {
		if other.Verify(base, l.Bytes) {
			return *flaw(CodeWrong, "the signature is by your key "+other.ID+", and keyid names "+l.KeyID,
				"set keyid to the key that signs")
		}
	}
	for _, changed := range changedBases(q.Message, string(base)) {
		if key.Verify([]byte(changed.base), l.Bytes) {
			return *flaw(CodeWrong, "the signature is right over another base: "+changed.what, changed.hint)
		}
	}
	if q.Base != "" && key.Verify([]byte(q.Base), l.Bytes) {
		return *flaw(CodeWrong, "the signature is right over the base that you sent, which is not this request's",
			"compare the lines: those that differ are marked")
	}
	return *flaw(CodeWrong, "the signature is not of this request and key",
		"compare the lines of signature_base with what you signed (send yours as signature_base), "+
			"and the registered public key with the private key that signs")
}

// wrongForm recognizes signatures that are right but for their form or algorithm.
func wrongForm(key Key, base, signature []byte) (why, hint string) {
	switch public := key.Public.(type) {
	case ed25519.PublicKey:
		return wrongEd25519(public, base, signature)
	case *rsa.PublicKey:
		return wrongRSA(key.Algorithm, public, base, signature)
	case *ecdsa.PublicKey:
		if key.Algorithm == SM2 {
			return wrongSM2(public, base, signature)
		}
		return wrongECDSA(public, base, signature)
	}
	return "", ""
}

func wrongEd25519(key ed25519.PublicKey, base, signature []byte) (why, hint string) {
	if len(signature) != ed25519.SignatureSize {
		return "an Ed25519 signature has 64 bytes", "sign with Ed25519, not with another algorithm"
	}
	short, long := sha256.Sum256(base), sha512.Sum512(base)
	if ed25519.Verify(key, short[:], signature) || ed25519.Verify(key, long[:], signature) {
		return "the signature is over a hash of the base", "Ed25519 hashes by itself: sign the base, not its hash"
	}
	return "", ""
}

const hintRaw = "send r and s as 32 bytes each, one behind the other (IEEE P1363; in Node dsaEncoding: \"ieee-p1363\")"

func wrongECDSA(key *ecdsa.PublicKey, base, signature []byte) (why, hint string) {
	if verifyECDSA(key, base, signature) {
		return "the signature is right, and in ASN.1 (DER); RFC 9421 §3.3.4 wants r and s", hintRaw
	}
	der, err := derOf(signature)
	if err != nil {
		return "an ECDSA signature on P-256 has 64 bytes: r and s", hintRaw
	}
	long, once := sha512.Sum512(base), sha256.Sum256(base)
	if ecdsa.VerifyASN1(key, long[:], der) {
		return "the signature is by SHA-512", "hash by SHA-256"
	}
	if verifyECDSA(key, once[:], der) {
		return "the base was hashed twice", "give the base to the signer, which hashes it, or sign its hash as it is"
	}
	return "", ""
}

// wrongUserIDs are user ids that signers take in place of SM2UserID.
func wrongUserIDs() map[string]string {
	return map[string]string{
		"":                   "an empty user id",
		"ALICE123@YAHOO.COM": "the user id of the standard's example",
		"\x12\x34\x56\x78\x12\x34\x56\x78\x12\x34\x56\x78\x12\x34\x56\x78": "the user id's digits as bytes of hex",
	}
}

func wrongSM2(key *ecdsa.PublicKey, base, signature []byte) (why, hint string) {
	if verifySM2(key, SM2UserID, base, signature) {
		return "the signature is right, and in ASN.1 (DER); here it is r and s", hintRaw
	}
	der, err := derOf(signature)
	if err != nil {
		der = signature
	}
	for wrong, name := range wrongUserIDs() {
		if verifySM2(key, wrong, base, der) {
			return "the signature is made under " + name, "take the user id " + SM2UserID + " (16 ASCII characters)"
		}
	}
	if verifyPlainSM2(key, base, der) {
		return "the signature is over the base's SM3 alone", "hash Z (user id, curve and key) in front of the base"
	}
	if err != nil {
		return "an SM2 signature has 64 bytes: r and s", hintRaw
	}
	return "", ""
}

func wrongRSA(algorithm Algorithm, key *rsa.PublicKey, base, signature []byte) (why, hint string) {
	if len(signature) != key.Size() {
		return "the signature's length is not the RSA key's", "sign by the private half of the registered key"
	}
	short, long, old := sha256.Sum256(base), sha512.Sum512(base), sha1.Sum(base) //nolint:gosec // see above
	anySalt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}
	switch {
	case algorithm == RSAPSS && verifyPSS(key, base, signature, rsa.PSSSaltLengthAuto):
		return "the signature is RSA-PSS with SHA-512 and another salt length than 64 bytes", "set the salt length to 64"
	case algorithm == RSAPSS && verifyPKCS1(key, base, signature):
		return "the signature is rsa-v1_5-sha256", "sign by RSASSA-PSS with SHA-512, or register the key for rsa-v1_5-sha256"
	case rsa.VerifyPSS(key, crypto.SHA256, short[:], signature, anySalt) == nil:
		return "the signature is RSA-PSS with SHA-256", "sign by " + string(algorithm)
	case algorithm == RSAPKCS1 && verifyPSS(key, base, signature, rsa.PSSSaltLengthAuto):
		return "the signature is rsa-pss-sha512", "sign by RSASSA-PKCS1-v1_5 with SHA-256," +
			" or register the key for rsa-pss-sha512"
	case rsa.VerifyPKCS1v15(key, crypto.SHA512, long[:], signature) == nil:
		return "the signature is RSASSA-PKCS1-v1_5 with SHA-512", "sign by " + string(algorithm)
	case rsa.VerifyPKCS1v15(key, crypto.SHA1, old[:], signature) == nil:
		return "the signature is RSASSA-PKCS1-v1_5 with SHA-1", "sign by " + string(algorithm)
	}
	return "", ""
}

// changedBase is a base as a mistaken signer makes it.
type changedBase struct{ base, what, hint string }

// changedBases are the mistakes in canonicalization.
func changedBases(message Message, base string) []changedBase {
	cut := strings.LastIndex(base, "\n")
	query := "\n\"@query\": ?" + message.RawQuery + "\n"
	path := "\"@path\": " + message.Path + "\n"
	return []changedBase{
		{base + "\n", "it ends in a line feed", "end the base with the last character of @signature-params"},
		{strings.ReplaceAll(base, "\n", "\r\n"), "its lines end in CR LF", "join the lines by LF alone"},
		{base[:max(cut, 0)], "it lacks the line @signature-params", "end the base with that line"},
		{
			replaceLast(base, `"@signature-params": `, `"@signature-params": `+label+"="),
			"its last line begins with the label", "leave the label out of @signature-params",
		},
		{
			strings.Replace(base, `"@method": `+message.Method, `"@method": `+strings.ToLower(message.Method), 1),
			"its method is in lower case", "write the method as it is sent: " + message.Method,
		},
		{
			strings.Replace(base, query, "\n\"@query\": "+message.RawQuery+"\n", 1),
			"its @query lacks the question mark", "begin the value of @query with ?",
		},
		{
			strings.Replace(base, path, "\"@path\": "+message.Path+"?"+message.RawQuery+"\n", 1),
			"its @path has the query in it", "leave the query out of @path and cover @query",
		},
		{strings.ReplaceAll(base, `": `, `":`), "it has no space behind the colons", "write a colon and one space"},
		{unquoted(base), "its names have no quotes", "write each name in double quotes"},
		{
			strings.Replace(base, "https://", "http://", 1),
			"its @target-uri begins with http",
			"sign the address that you call",
		},
		{
			strings.Replace(base, "http://", "https://", 1), "its @target-uri begins with https",
			"sign the address that you call; behind a proxy, cover @path and @query in place of @target-uri",
		},
	}
}

func replaceLast(text, old, with string) string {
	if at := strings.LastIndex(text, old); at >= 0 {
		return text[:at] + with + text[at+len(old):]
	}
	return text
}

// unquoted takes the quotes from the names of lines.
func unquoted(base string) string {
	lines := strings.Split(base, "\n")
	for i, line := range lines {
		if name, value, ok := strings.Cut(line, `": `); ok {
			lines[i] = strings.TrimPrefix(name, `"`) + ": " + value
		}
	}
	return strings.Join(lines, "\n")
}
