package httpsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// Algorithm is a way to sign, by its name in the registry of RFC 9421 §6.2.
type Algorithm string

const (
	// Ed25519 is EdDSA on edwards25519 (RFC 9421 §3.3.6).
	Ed25519 Algorithm = "ed25519"
	// ECDSAP256 is ECDSA on P-256 with SHA-256; a signature is r and s of 32 bytes each, not ASN.1 (§3.3.4).
	ECDSAP256 Algorithm = "ecdsa-p256-sha256"
	// RSAPSS is RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 bytes (§3.3.1).
	RSAPSS Algorithm = "rsa-pss-sha512"
	// RSAPKCS1 is RSASSA-PKCS1-v1_5 with SHA-256 (§3.3.2).
	RSAPKCS1 Algorithm = "rsa-v1_5-sha256"
	// SM2 is SM2 with SM3 under the user id SM2UserID; a signature is r and s of 32 bytes each. It is not in the
	// registry: the name is ours.
	SM2 Algorithm = "sm2-sm3"
)

// Algorithms lists all, the recommended one first.
func Algorithms() []Algorithm { return []Algorithm{Ed25519, ECDSAP256, RSAPSS, RSAPKCS1, SM2} }

const rawSize = 2 * coordinateSize // r and s

// Verify reports whether signature is the key's over base.
func (k Key) Verify(base, signature []byte) bool {
	switch k.Algorithm {
	case Ed25519:
		key, ok := k.Public.(ed25519.PublicKey)
		return ok && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, base, signature)
	case ECDSAP256:
		key, ok := k.Public.(*ecdsa.PublicKey)
		der, err := derOf(signature)
		return ok && err == nil && verifyECDSA(key, base, der)
	case RSAPSS:
		key, ok := k.Public.(*rsa.PublicKey)
		return ok && verifyPSS(key, base, signature, sha512.Size)
	case RSAPKCS1:
		key, ok := k.Public.(*rsa.PublicKey)
		return ok && verifyPKCS1(key, base, signature)
	case SM2:
		der, err := derOf(signature)
		return err == nil && verifySM2(k.Public, SM2UserID, base, der)
	}
	return false
}

func verifyECDSA(key *ecdsa.PublicKey, base, der []byte) bool {
	sum := sha256.Sum256(base)
	return ecdsa.VerifyASN1(key, sum[:], der)
}

func verifyPSS(key *rsa.PublicKey, base, signature []byte, salt int) bool {
	sum := sha512.Sum512(base)
	return rsa.VerifyPSS(key, crypto.SHA512, sum[:], signature, &rsa.PSSOptions{SaltLength: salt}) == nil
}

func verifyPKCS1(key *rsa.PublicKey, base, signature []byte) bool {
	sum := sha256.Sum256(base)
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
}

// SignWith returns the signature of base by a private key for an algorithm: an ed25519.PrivateKey, *ecdsa.PrivateKey,
// *rsa.PrivateKey or SM2Signer. Errors: the key is not one of the algorithm.
func SignWith(private any, algorithm Algorithm, base []byte) ([]byte, error) {
	switch key := private.(type) {
	case ed25519.PrivateKey:
		if algorithm == Ed25519 && len(key) == ed25519.PrivateKeySize {
			return ed25519.Sign(key, base), nil
		}
	case *ecdsa.PrivateKey:
		if algorithm == ECDSAP256 {
			sum := sha256.Sum256(base)
			der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
			return rawOf(der, err)
		}
	case *rsa.PrivateKey:
		return signRSA(key, algorithm, base)
	case SM2Signer:
		if algorithm == SM2 {
			der, err := key.sign(SM2UserID, base)
			return rawOf(der, err)
		}
	}
	return nil, fmt.Errorf("this is no private key for %s", algorithm)
}

func signRSA(key *rsa.PrivateKey, algorithm Algorithm, base []byte) ([]byte, error) {
	var (
		signature []byte
		err       error
	)
	switch algorithm {
	case RSAPSS:
		sum := sha512.Sum512(base)
		signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA512, sum[:], &rsa.PSSOptions{SaltLength: sha512.Size})
	case RSAPKCS1:
		sum := sha256.Sum256(base)
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	case Ed25519, ECDSAP256, SM2:
		fallthrough
	default:
		err = fmt.Errorf("an RSA key does not sign %s", algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("sign by RSA: %w", err)
	}
	return signature, nil
}

// point is a signature as ASN.1 has it: two whole numbers.
type point struct{ R, S *big.Int }

// derOf turns r and s of 32 bytes each into ASN.1. Errors: another length.
func derOf(raw []byte) ([]byte, error) {
	if len(raw) != rawSize {
		return nil, errors.New("not 64 bytes")
	}
	p := point{R: new(big.Int).SetBytes(raw[:coordinateSize]), S: new(big.Int).SetBytes(raw[coordinateSize:])}
	der, err := asn1.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write ASN.1: %w", err)
	}
	return der, nil
}

// rawOf turns ASN.1 into r and s of 32 bytes each.
func rawOf(der []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var p point
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 || p.R.Sign() <= 0 || p.S.Sign() <= 0 ||
		p.R.BitLen() > 8*coordinateSize || p.S.BitLen() > 8*coordinateSize {
		return nil, errors.New("not an ASN.1 signature of 32-byte numbers")
	}
	raw := make([]byte, rawSize)
	p.R.FillBytes(raw[:coordinateSize])
	p.S.FillBytes(raw[coordinateSize:])
	return raw, nil
}
