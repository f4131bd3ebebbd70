package vault

import (
	"crypto/cipher"
	"encoding/binary"

	"github.com/feiqian/feiqian/internal/fault"
)

// The form of what is sealed: one byte for the form, four for the version of the key (big-endian), twelve of nonce, the
// ciphertext, sixteen of tag (AES-256-GCM). Bound to it are form, version, purpose and the caller's data.
const (
	sealedForm = 1
	headerSize = 1 + 4
	nonceSize  = 12
	tagSize    = 16
)

// SealedOverhead is how many bytes longer than the plain text the sealed one is.
const SealedOverhead = headerSize + nonceSize + tagSize

// Seal encrypts plain under the newest data key of a purpose, such as `card.pan`. aad is bound to it and not stored: it
// names the row, so that nothing sealed can be moved to another one; RowAAD makes it.
//
// Errors: vault.bad_purpose, those of the key store and of the database.
func (v *Vault) Seal(purpose string, aad, plain []byte) ([]byte, error) {
	version, aead, err := v.sealing(purpose)
	if err != nil {
		return nil, fault.Wrap(err, "seal "+purpose)
	}
	return seal(purpose, aad, plain, version, aead), nil
}

func seal(purpose string, aad, plain []byte, version uint32, aead cipher.AEAD) []byte {
	out := make([]byte, 0, len(plain)+SealedOverhead)
	out = binary.BigEndian.AppendUint32(append(out, sealedForm), version)
	return aead.Seal(out, nil, plain, boundData(out[:headerSize], purpose, aad)) //nolint:gosec // G407: it draws the nonce
}

// Open decrypts what Seal made with the same purpose and aad, under whatever version.
//
// Errors: vault.bad_sealed (changed, or of another purpose or row), vault.unknown_version (the key was retired, or
// never was), vault.bad_purpose, those of the key store and of the database.
func (v *Vault) Open(purpose string, aad, sealed []byte) ([]byte, error) {
	version, err := sealedVersion(sealed)
	if err != nil {
		return nil, err
	}
	aead, err := v.opening(purpose, version)
	if err != nil {
		return nil, fault.Wrap(err, "open "+purpose)
	}
	plain, err := aead.Open(nil, nil, sealed[headerSize:], boundData(sealed[:headerSize], purpose, aad))
	if err != nil {
		v.Metrics.refused.WithLabelValues(purpose).Inc()
		return nil, badSealed()
	}
	return plain, nil
}

// sealedVersion reads the version of the key.
func sealedVersion(sealed []byte) (uint32, error) {
	if len(sealed) < SealedOverhead || sealed[0] != sealedForm {
		return 0, badSealed()
	}
	return binary.BigEndian.Uint32(sealed[1:headerSize]), nil
}

func badSealed() error {
	return fault.New(fault.Internal, "vault.bad_sealed", "what was sealed can't be opened here").
		WithHint("it was changed, moved from another row, or sealed for another purpose")
}

// boundData is what is bound to a ciphertext.
func boundData(header []byte, purpose string, aad []byte) []byte {
	b := make([]byte, 0, headerSize+8+len(purpose)+len(aad))
	return append(appendSized(append(b, header...), purpose), aad...)
}

// RowAAD returns what binds a sealed value to its place: table, column and key of the row.
func RowAAD(table, column, key string) []byte {
	return appendSized(appendSized(appendSized(nil, table), column), key)
}
