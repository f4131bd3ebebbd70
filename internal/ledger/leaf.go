package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
)

// The log commits to an entry by its text (leafText): what all parties to it may see, and one salted
// hash for each line. So a receipt shows its holder's own lines in full and of the others only the
// hash: the payer does not learn the merchant's fee, and nobody can guess it from the hash.

const leafVersion = "feiqian-entry/1"

// leafHeader is what a leaf says of the entry as a whole.
type leafHeader struct {
	ID         id.Entry
	Subject    string
	PostedAt   time.Time
	BusinessOn clock.Date
}

// leafText is the record that the log's leaf hashes: one item a line, each ended by a newline.
func leafText(h leafHeader, lines [][sha256.Size]byte) []byte {
	b := make([]byte, 0, 128+len(lines)*(2*sha256.Size+1))
	for _, item := range []string{leafVersion, string(h.ID), h.Subject} {
		b = append(append(b, item...), '\n')
	}
	b = append(h.PostedAt.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z"), '\n')
	b = append(append(b, h.BusinessOn...), '\n')
	b = append(strconv.AppendInt(b, int64(len(lines)), 10), '\n')
	for _, line := range lines {
		b = append(hex.AppendEncode(b, line[:]), '\n')
	}
	return b
}

// lineText is one line of an entry as it is hashed: the same items, in this order, each ended by a newline.
func lineText(number int, t *Transfer) []byte {
	b := make([]byte, 0, 160)
	b = append(strconv.AppendInt(b, int64(number), 10), '\n')
	for _, item := range []string{string(t.Reason), string(t.Debit), string(t.Credit)} {
		b = append(append(b, item...), '\n')
	}
	b = append(strconv.AppendInt(b, t.Amount.Minor, 10), '\n')
	return append(append(b, t.Amount.Currency...), '\n')
}

// lineHash is SHA-256 over the salt (16 bytes) and the line's text.
func lineHash(number int, t *Transfer) ([sha256.Size]byte, error) {
	salt, err := base64.RawURLEncoding.DecodeString(t.Salt)
	if err != nil {
		return [sha256.Size]byte{}, err //nolint:wrapcheck // the caller names the transfer
	}
	return sha256.Sum256(append(salt, lineText(number, t)...)), nil
}

const saltSize = 16

// saltOf derives a line's salt from the entry's seed, which is thrown away: one salt tells nothing of
// the others. A number fits a byte, see LinesMax.
func saltOf(seed [32]byte, number int) string {
	sum := sha256.Sum256(append(seed[:], byte(number))) //nolint:gosec // at most LinesMax
	return base64.RawURLEncoding.EncodeToString(sum[:saltSize])
}

// recordHash is the leaf hash of RFC 6962 §2.1: SHA-256 over a zero byte and the record.
func recordHash(record []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte{0}, record...))
}
