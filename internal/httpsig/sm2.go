package httpsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
)

// SM2UserID is the user id under which SM2 signatures are made where nothing else was agreed (GM/T 0009-2012 §10).
const SM2UserID = "1234567812345678"

// All of SM2 is in this file: nobody else knows the library, and nothing is signed by it unless a merchant registered
// an SM2 key.

func isSM2(key *ecdsa.PublicKey) bool { return key.Curve == sm2.P256() }

func parseSM2(der []byte) (crypto.PublicKey, error) {
	public, err := smx509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("read an SM2 key: %w", err)
	}
	if key, ok := public.(*ecdsa.PublicKey); ok && isSM2(key) {
		return key, nil
	}
	return nil, errors.New("not an SM2 key")
}

func marshalSM2(public crypto.PublicKey) ([]byte, error) {
	der, err := smx509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("write an SM2 key: %w", err)
	}
	return der, nil
}

// spkiSM2 is what stands in an SPKI of an SM2 key in front of x and y: id-ecPublicKey, the curve's number, and the mark
// of a point that is not compressed.
const spkiSM2 = "3059301306072a8648ce3d020106082a811ccf5501822d03420004"

// pointSM2 returns the key of a point, which must be on the curve.
func pointSM2(x, y []byte) (crypto.PublicKey, error) {
	head, err := hex.DecodeString(spkiSM2)
	if err != nil {
		return nil, fmt.Errorf("read the head of SM2 keys: %w", err)
	}
	return parseSM2(slices.Concat(head, x, y))
}

// verifySM2 checks a DER signature under a user id (GB/T 32918.2-2016).
func verifySM2(public crypto.PublicKey, userID string, message, der []byte) bool {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return false
	}
	hash, err := hashSM2(key, userID, message)
	return err == nil && sm2.VerifyASN1(key, hash, der)
}

// verifyPlainSM2 checks a DER signature over the message's SM3 alone, as signers make it who leave out the user id
// and the key.
func verifyPlainSM2(key *ecdsa.PublicKey, message, der []byte) bool {
	hash := sm3.Sum(message)
	return sm2.VerifyASN1(key, hash[:], der)
}

// hashSM2 is what is signed: SM3 of Z and the message (GB/T 32918.2-2016 §5.5, §6.1). The library would take an empty
// user id for the usual one.
func hashSM2(key *ecdsa.PublicKey, userID string, message []byte) ([]byte, error) {
	z, err := sm2.CalculateZA(key, []byte(userID))
	if err != nil {
		return nil, fmt.Errorf("hash for SM2: %w", err)
	}
	hash := sm3.Sum(append(z, message...))
	return hash[:], nil
}

// SM2Signer is a private SM2 key.
type SM2Signer struct{ key *sm2.PrivateKey }

// GenerateSM2 returns a fresh SM2 key.
func GenerateSM2() (SM2Signer, error) {
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		return SM2Signer{}, fmt.Errorf("generate an SM2 key: %w", err)
	}
	return SM2Signer{key: key}, nil
}

// ParseSM2Private reads a PKCS #8 SM2 key.
func ParseSM2Private(der []byte) (SM2Signer, error) {
	private, err := smx509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return SM2Signer{}, fmt.Errorf("read an SM2 key: %w", err)
	}
	key, ok := private.(*sm2.PrivateKey)
	if !ok {
		return SM2Signer{}, errors.New("not an SM2 key")
	}
	return SM2Signer{key: key}, nil
}

// Public returns the public half.
func (s SM2Signer) Public() crypto.PublicKey { return &s.key.PublicKey }

// sign returns the DER signature of message under a user id.
func (s SM2Signer) sign(userID string, message []byte) ([]byte, error) {
	hash, err := hashSM2(&s.key.PublicKey, userID, message)
	if err != nil {
		return nil, err
	}
	der, err := sm2.SignASN1(rand.Reader, s.key, hash, nil)
	if err != nil {
		return nil, fmt.Errorf("sign by SM2: %w", err)
	}
	return der, nil
}
