// Package id makes and reads the platform's ids: a prefix that names the kind, and 26 characters
// that sort by time (a UUID version 7, RFC 9562 §5.7, in lower-case Crockford base 32).
//
// Ids are never secrets and never come from a database sequence. A decision does not make ids: they
// are made before it and handed in, so that it can be run again with the same result.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// Length is the number of characters behind the prefix and its underscore.
const Length = 26

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// Kind is the constraint of id types: a string that knows its prefix.
type Kind interface {
	~string
	Prefix() string
}

// New returns a fresh id of kind K for the instant now.
func New[K Kind](now time.Time) K {
	var kind K
	return K(kind.Prefix() + "_" + suffix(now))
}

// MemberMax is the largest number in a Member.
const MemberMax = 1<<15 - 1

const memberLength = 3 // characters of one number

// Member names item n of batch number batch of a group of commits (both from 0 to MemberMax): the group's id, its last
// six characters replaced by the two numbers. So the ids of members sort by group, batch and item, as groups do by
// time, and lead to their batch (First).
func Member[K Kind](group Group, batch, n int) K {
	var kind K
	b := make([]byte, 0, len(kind.Prefix())+1+Length)
	b = append(append(b, kind.Prefix()...), '_')
	b = append(b, group[len(group)-Length:len(group)-2*memberLength]...)
	return K(appendNumber(appendNumber(b, batch), n))
}

// First returns the id of item 0 in the batch of member.
func First[K Kind](member K) K {
	return K(appendNumber([]byte(member[:max(0, len(member)-memberLength)]), 0))
}

func appendNumber(b []byte, n int) []byte {
	return append(b, alphabet[n>>10&31], alphabet[n>>5&31], alphabet[n&31])
}

// Parse reads an id of kind K. Errors: the prefix or the form is wrong.
func Parse[K Kind](s string) (K, error) {
	var kind K
	rest, ok := strings.CutPrefix(s, kind.Prefix()+"_")
	if !ok || len(rest) != Length {
		return "", fmt.Errorf("not an id of the form %s_…", kind.Prefix())
	}
	for i := range len(rest) {
		if strings.IndexByte(alphabet, rest[i]) < 0 {
			return "", fmt.Errorf("not an id of the form %s_…", kind.Prefix())
		}
	}
	return K(s), nil
}

// suffix writes 48 bits of milliseconds, then 74 random bits with UUID version and variant.
func suffix(now time.Time) string {
	var raw [16]byte
	_, _ = rand.Read(raw[6:]) // never fails: it ends the program instead (crypto/rand)
	putTime(&raw, now)
	raw[6] = raw[6]&0x0f | 0x70
	raw[8] = raw[8]&0x3f | 0x80
	return encode(raw)
}

func putTime(raw *[16]byte, now time.Time) {
	ms := uint64(max(now.UnixMilli(), 0))
	raw[0], raw[1] = byte(ms>>40), byte(ms>>32)      //nolint:gosec // one byte each is meant
	binary.BigEndian.PutUint32(raw[2:6], uint32(ms)) //nolint:gosec // the low 32 bits are meant
}

// encode writes 128 bits as 26 characters of 5 bits, the first one of 3 bits.
func encode(raw [16]byte) string {
	high, low := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	var out [Length]byte
	for i := Length - 1; i >= 0; i-- {
		out[i] = alphabet[low&31]
		low = low>>5 | high<<59
		high >>= 5
	}
	return string(out[:])
}
