package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// ReceiptSizeMax is the size of the largest receipt that VerifyReceipt reads, in bytes.
const ReceiptSizeMax = 1 << 20

// Proven is what a receipt proves.
type Proven struct {
	Entry      id.Entry     `json:"entry"`
	Subject    string       `json:"subject"`
	PostedAt   time.Time    `json:"posted_at"`
	BusinessOn clock.Date   `json:"business_on"`
	Lines      []ProvenLine `json:"lines"`
	// LinesHidden is the number of lines that this receipt does not show.
	LinesHidden int    `json:"lines_hidden"`
	Origin      string `json:"origin"`
	LeafIndex   int64  `json:"leaf_index"`
	LogSize     int64  `json:"log_size"`
	// Key is the key that signed; Trusted says that the caller knew it. If not, the key came with the
	// receipt (trust on first use) and must be compared with the one that the operator publishes.
	Key     string `json:"key"`
	Trusted bool   `json:"trusted"`
}

// ProvenLine is one line of a proven entry.
type ProvenLine struct {
	Number int          `json:"number"`
	Reason Reason       `json:"reason"`
	Debit  AccountID    `json:"debit"`
	Credit AccountID    `json:"credit"`
	Amount money.Amount `json:"amount"`
}

// VerifyReceipt checks a receipt without a server. TrustedKey is the log's verifier key; if it is "",
// the key inside the receipt is used, and the result says so.
//
// Errors, in the order of the checks: ledger.receipt_malformed, ledger.bad_trusted_key, ledger.unknown_key,
// ledger.signature_wrong, ledger.checkpoint_malformed, ledger.content_changed, ledger.proof_wrong.
func VerifyReceipt(data []byte, trustedKey string) (Proven, error) {
	r, err := parseReceipt(data)
	if err != nil {
		return Proven{}, malformedReceipt(err)
	}
	p, err := parseRecord(r.Record)
	if err != nil {
		return Proven{}, malformedReceipt(err)
	}
	tree, err := r.checkSignature(&p.Proven, trustedKey)
	if err != nil {
		return Proven{}, err
	}
	if err := r.checkContent(p); err != nil {
		return Proven{}, err
	}
	if err := tlog.CheckRecord(r.Proof, tree.N, tree.Hash, r.LeafIndex, r.LeafHash); err != nil {
		return Proven{}, fault.New(fault.Invalid, "ledger.proof_wrong", "the entry is not in the signed log").WithCause(err)
	}
	p.LeafIndex, p.LogSize = r.LeafIndex, tree.N
	p.LinesHidden = len(p.hashes) - len(p.Lines)
	return p.Proven, nil
}

func malformedReceipt(err error) error {
	return fault.New(fault.Invalid, "ledger.receipt_malformed", "this is not a receipt").WithCause(err)
}

func parseReceipt(data []byte) (*Receipt, error) {
	if len(data) > ReceiptSizeMax {
		return nil, fmt.Errorf("larger than %d bytes", ReceiptSizeMax)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var r Receipt
	if err := decoder.Decode(&r); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	if r.Format != receiptFormat {
		return nil, fmt.Errorf("format %q is not %s", r.Format, receiptFormat)
	}
	return &r, nil
}

func (r *Receipt) checkSignature(p *Proven, trustedKey string) (tlog.Tree, error) {
	p.Key, p.Trusted = trustedKey, true
	if trustedKey == "" {
		p.Key, p.Trusted = r.Key, false
	}
	key, err := trusted(p.Key)
	if err != nil {
		if !p.Trusted {
			return tlog.Tree{}, malformedReceipt(err)
		}
		return tlog.Tree{}, err
	}
	tree, err := openCheckpoint(r.Checkpoint, key)
	if err != nil {
		return tree, err
	}
	if key.Name() != r.Origin {
		return tree, malformedReceipt(fmt.Errorf("the receipt names log %q, its checkpoint %q", r.Origin, key.Name()))
	}
	p.Origin = r.Origin
	return tree, nil
}

// checkContent checks that the shown lines are those of the record, and that the record is that of the leaf.
func (r *Receipt) checkContent(p *record) error {
	changed := fault.New(fault.Invalid, "ledger.content_changed", "the receipt's content was changed")
	if recordHash([]byte(r.Record)) != r.LeafHash {
		return changed.WithCause(errors.New("the record does not have its leaf's hash"))
	}
	last := -1
	for _, line := range r.Lines {
		salt, err := base64.RawURLEncoding.Strict().DecodeString(line.Salt)
		if err != nil || len(salt) != saltSize || line.Number <= last || line.Number >= len(p.hashes) {
			return malformedReceipt(fmt.Errorf("line %d", line.Number))
		}
		last = line.Number
		if sha256.Sum256(append(salt, line.Text...)) != p.hashes[line.Number] {
			return changed.WithCause(fmt.Errorf("line %d does not have its hash", line.Number))
		}
		shown, err := parseLine(line)
		if err != nil {
			return malformedReceipt(err)
		}
		p.Lines = append(p.Lines, shown)
	}
	return nil
}

// record is a leaf's text, read.
type record struct {
	Proven

	hashes [][sha256.Size]byte
}

// parseRecord reads what leafText wrote, and nothing else.
func parseRecord(text string) (*record, error) {
	items := strings.Split(text, "\n")
	if len(items) < 7 || items[0] != leafVersion || items[len(items)-1] != "" {
		return nil, errors.New("the record is not of version " + leafVersion)
	}
	entry, err := id.Parse[id.Entry](items[1])
	if err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	at, err := time.Parse("2006-01-02T15:04:05.000000Z", items[3])
	if err != nil {
		return nil, fmt.Errorf("instant: %w", err)
	}
	on, err := clock.ParseDate(items[4])
	if err != nil {
		return nil, err
	}
	hashes := items[6 : len(items)-1]
	if strconv.Itoa(len(hashes)) != items[5] || len(hashes) == 0 {
		return nil, errors.New("the number of lines is wrong")
	}
	r := &record{Proven: Proven{Entry: entry, Subject: items[2], PostedAt: at, BusinessOn: on, Lines: []ProvenLine{}}}
	for _, text := range hashes {
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != sha256.Size {
			return nil, errors.New("a line's hash is 64 hexadecimal digits")
		}
		r.hashes = append(r.hashes, [sha256.Size]byte(hash))
	}
	return r, nil
}

// parseLine reads what lineText wrote, and nothing else.
func parseLine(line ReceiptLine) (ProvenLine, error) {
	items := strings.Split(line.Text, "\n")
	if len(items) != 7 || items[6] != "" || items[0] != strconv.Itoa(line.Number) {
		return ProvenLine{}, fmt.Errorf("line %d has another form", line.Number)
	}
	minor, err := strconv.ParseInt(items[4], 10, 64)
	if err != nil || strconv.FormatInt(minor, 10) != items[4] || minor <= 0 || minor > money.MaxMinor {
		return ProvenLine{}, fmt.Errorf("line %d has no amount", line.Number)
	}
	return ProvenLine{
		Number: line.Number, Reason: Reason(items[1]), Debit: AccountID(items[2]), Credit: AccountID(items[3]),
		Amount: money.Amount{Minor: minor, Currency: money.Currency(items[5])},
	}, nil
}
