package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// testLog is a log without a database, signed by a key that is the same in every run.
func testLog(t testing.TB, origin string, seed byte) *Log {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	l, err := NewLog(nil, &clock.Clock{}, LogOptions{Origin: origin, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const testEntry = id.Entry("ent_01jdzzzzzzzzzzzzzzzzzzzzzz")

// testReceipt is the receipt of entry number index in a log of size leaves; it shows lines 0 and 2 of three.
func testReceipt(t testing.TB, l *Log, size, index int64) Receipt {
	t.Helper()
	at := time.Date(2026, 11, 22, 8, 30, 0, 123_456_000, time.UTC)
	lines := make([]Transfer, 3)
	for i := range lines {
		lines[i] = Transfer{
			ID: fmt.Sprintf("%s.%d", testEntry, i), Reason: ReasonPayment, Subject: "pay_1",
			Debit: "2001:CNY:cus_a", Credit: "2101:CNY:mer_b", Amount: money.Amount{Minor: int64(100 + i), Currency: "CNY"},
			PostedAt: at, BusinessOn: "2026-11-22", Salt: saltOf([32]byte{7}, i),
		}
	}
	record, err := recordOf(lines)
	if err != nil {
		t.Fatal(err)
	}
	r := Receipt{
		Format: receiptFormat, Origin: l.Origin(), Record: string(record), LeafHash: recordHash(record),
		LeafIndex: index, Key: l.Key(), Proof: []tlog.Hash{},
	}
	for _, i := range []int{0, 2} {
		r.Lines = append(r.Lines, ReceiptLine{Number: i, Salt: lines[i].Salt, Text: string(lineText(i, &lines[i]))})
	}
	tree, stored := &frontier{}, []byte(nil)
	for n := range size {
		leaf := tlog.Hash(sha256.Sum256([]byte{byte(n), byte(n >> 8)}))
		if n == index {
			leaf = r.LeafHash
		}
		stored = tree.add(leaf, stored)
	}
	proof, err := tlog.ProveRecord(size, index, inMemory(stored))
	if err != nil {
		t.Fatal(err)
	}
	r.Proof = proof
	signed, err := note.Sign(&note.Note{Text: checkpointBody(l.Origin(), size, tree.root())}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	r.Checkpoint = string(signed)
	return r
}

func inMemory(stored []byte) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			out[i] = tlog.Hash(stored[index*tlog.HashSize : (index+1)*tlog.HashSize])
		}
		return out, nil
	}
}

func encode(t testing.TB, r Receipt) []byte {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFrontier compares our appending with tlog's, for every small size.
func TestFrontier(t *testing.T) {
	t.Parallel()
	tree, stored := &frontier{}, []byte(nil)
	for n := range int64(300) {
		root, err := tlog.TreeHash(n, inMemory(stored))
		if err != nil || root != tree.root() {
			t.Fatalf("root of %d leaves: %v, want %v, %v", n, tree.root(), root, err)
		}
		read, err := readFrontier(n, inMemory(stored))
		if err != nil || read.root() != root || len(read.roots) != len(tree.roots) {
			t.Fatalf("frontier of %d leaves: %v, %v", n, read, err)
		}
		const chunkBytes = chunkHashes * tlog.HashSize
		size, err := sizeOf(int64(len(stored)/chunkBytes), int64(len(stored)%chunkBytes))
		if size != n || err != nil {
			t.Fatalf("size %d, %v, want %d", size, err, n)
		}
		leaf := tlog.RecordHash([]byte{byte(n), byte(n >> 8)})
		want, err := tlog.StoredHashesForRecordHash(n, leaf, inMemory(stored))
		if err != nil {
			t.Fatal(err)
		}
		before := len(stored)
		stored = tree.add(leaf, stored)
		if len(stored)-before != len(want)*tlog.HashSize {
			t.Fatalf("leaf %d stores %d bytes, want %d hashes", n, len(stored)-before, len(want))
		}
		for i, hash := range want {
			if at := before + i*tlog.HashSize; tlog.Hash(stored[at:at+tlog.HashSize]) != hash {
				t.Fatalf("leaf %d: stored hash %d is wrong", n, i)
			}
		}
	}
	if _, err := sizeOf(0, 4*tlog.HashSize+1); fault.CodeOf(err) != "ledger.log_damaged" {
		t.Errorf("half a hash: %v", err)
	}
	if _, err := sizeOf(0, 2*tlog.HashSize); fault.CodeOf(err) != "ledger.log_damaged" {
		t.Errorf("half of a leaf's hashes: %v", err)
	}
}

func TestRecordHashIsThatOfTlog(t *testing.T) {
	t.Parallel()
	if got, want := tlog.Hash(recordHash([]byte("record"))), tlog.RecordHash([]byte("record")); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestVerifyReceipt(t *testing.T) {
	t.Parallel()
	l := testLog(t, "pay.example.com/ledger", 1)
	for size := int64(1); size <= 40; size++ {
		for index := range size {
			data := encode(t, testReceipt(t, l, size, index))
			p, err := VerifyReceipt(data, l.Key())
			if err != nil {
				t.Fatalf("size %d, index %d: %v", size, index, err)
			}
			if p.Entry != testEntry || p.Subject != "pay_1" || p.LeafIndex != index || p.LogSize != size || !p.Trusted ||
				p.Key != l.Key() || p.Origin != l.Origin() || p.BusinessOn != "2026-11-22" || p.LinesHidden != 1 ||
				!p.PostedAt.Equal(time.Date(2026, 11, 22, 8, 30, 0, 123_456_000, time.UTC)) {
				t.Fatalf("proven: %+v", p)
			}
			if len(p.Lines) != 2 || p.Lines[1] != (ProvenLine{
				Number: 2, Reason: ReasonPayment, Debit: "2001:CNY:cus_a", Credit: "2101:CNY:mer_b",
				Amount: money.Amount{Minor: 102, Currency: "CNY"},
			}) {
				t.Fatalf("lines: %+v", p.Lines)
			}
		}
	}
	p, err := VerifyReceipt(encode(t, testReceipt(t, l, 5, 3)), "")
	if err != nil || p.Trusted || p.Key != l.Key() {
		t.Errorf("trust on first use: %+v, %v", p, err)
	}
}

func TestVerifyReceiptRefuses(t *testing.T) {
	t.Parallel()
	swap := func(s, old, now string) string { return strings.Replace(s, old, now, 1) }
	l, other := testLog(t, "pay.example.com/ledger", 1), testLog(t, "pay.example.com/ledger", 2)
	stranger := testLog(t, "pay.example.org/ledger", 3)
	for name, test := range map[string]struct {
		change func(*Receipt)
		code   string
		key    string // "" is the log's
	}{
		"Subject":      {func(r *Receipt) { r.Record = swap(r.Record, "pay_1", "pay_2") }, "content_changed", ""},
		"Amount":       {func(r *Receipt) { r.Lines[0].Text = swap(r.Lines[0].Text, "100", "900") }, "content_changed", ""},
		"Payee":        {func(r *Receipt) { r.Lines[0].Text = swap(r.Lines[0].Text, "mer_b", "x") }, "content_changed", ""},
		"LineMoved":    {func(r *Receipt) { r.Lines[1].Number = 1 }, "content_changed", ""},
		"LineTwice":    {func(r *Receipt) { r.Lines[1] = r.Lines[0] }, "receipt_malformed", ""},
		"LineBeyond":   {func(r *Receipt) { r.Lines[1].Number = 3 }, "receipt_malformed", ""},
		"Salt":         {func(r *Receipt) { r.Lines[0].Salt = saltOf([32]byte{8}, 0) }, "content_changed", ""},
		"SaltLength":   {func(r *Receipt) { r.Lines[0].Salt = "" }, "receipt_malformed", ""},
		"Leaf":         {func(r *Receipt) { r.LeafHash[0] ^= 1 }, "content_changed", ""},
		"Proof":        {func(r *Receipt) { r.Proof[0][0] ^= 1 }, "proof_wrong", ""},
		"ProofShort":   {func(r *Receipt) { r.Proof = r.Proof[1:] }, "proof_wrong", ""},
		"ProofLong":    {func(r *Receipt) { r.Proof = append(r.Proof, tlog.Hash{}) }, "proof_wrong", ""},
		"Index":        {func(r *Receipt) { r.LeafIndex-- }, "proof_wrong", ""},
		"IndexBeyond":  {func(r *Receipt) { r.LeafIndex = 99 }, "proof_wrong", ""},
		"IndexBelow":   {func(r *Receipt) { r.LeafIndex = -1 }, "proof_wrong", ""},
		"Size":         {func(r *Receipt) { r.Checkpoint = swap(r.Checkpoint, "\n9\n", "\n8\n") }, "signature_wrong", ""},
		"OtherKey":     {func(*Receipt) {}, "unknown_key", other.Key()},
		"Stranger":     {func(r *Receipt) { *r = testReceipt(t, stranger, 9, 4) }, "unknown_key", ""},
		"OtherOrigin":  {func(r *Receipt) { r.Origin = stranger.Origin() }, "receipt_malformed", ""},
		"OwnKeyForged": {func(r *Receipt) { r.Key = other.Key() }, "unknown_key", "inside"},
		"OwnKeyBroken": {func(r *Receipt) { r.Key = "x" }, "receipt_malformed", "inside"},
		"KeyBroken":    {func(*Receipt) {}, "bad_trusted_key", "pay.example.com/ledger+00+x"},
		"Note":         {func(r *Receipt) { r.Checkpoint = "x" }, "checkpoint_malformed", ""},
		"Format":       {func(r *Receipt) { r.Format = "feiqian-receipt/2" }, "receipt_malformed", ""},
		"Record":       {func(r *Receipt) { r.Record = "x" }, "receipt_malformed", ""},
		"LineCount":    {func(r *Receipt) { r.Record = swap(r.Record, "\n3\n", "\n03\n") }, "receipt_malformed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testReceipt(t, l, 9, 4)
			test.change(&r)
			key := test.key
			switch key {
			case "":
				key = l.Key()
			case "inside":
				key = ""
			}
			if p, err := VerifyReceipt(encode(t, r), key); fault.CodeOf(err) != "ledger."+test.code {
				t.Errorf("%v %+v, want %s", err, p, test.code)
			}
		})
	}
	good := encode(t, testReceipt(t, l, 9, 4))
	for name, data := range map[string][]byte{
		"Empty": nil, "Null": []byte("null"), "Cut": good[:len(good)-1], "Twice": append(bytes.Clone(good), good...),
		"UnknownMember": bytes.Replace(good, []byte(`"proof"`), []byte(`"proofs"`), 1),
		"TooLarge":      append(bytes.Clone(good), bytes.Repeat([]byte(" "), ReceiptSizeMax)...),
	} {
		if _, err := VerifyReceipt(data, l.Key()); fault.CodeOf(err) != "ledger.receipt_malformed" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSignatureOfAnotherLog: a key that is trusted for one log does not vouch for another's origin.
func TestSignatureOfAnotherLog(t *testing.T) {
	t.Parallel()
	l := testLog(t, "pay.example.com/ledger", 1)
	signed, err := note.Sign(&note.Note{Text: checkpointBody("elsewhere.example/ledger", 9, tlog.Hash{})}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCheckpoint(string(signed), l.signer); fault.CodeOf(err) != "ledger.unknown_key" {
		t.Errorf("%v", err)
	}
}

func TestParseCheckpoint(t *testing.T) {
	t.Parallel()
	root := strings.Repeat("A", 43) + "="
	for text, ok := range map[string]bool{
		"o\n7\n" + root + "\n":              true,
		"o\n0\n" + root + "\n":              true,
		"o\n7\n" + root + "\nextension\n":   true,
		"o\n07\n" + root + "\n":             false,
		"o\n+7\n" + root + "\n":             false,
		"o\n-7\n" + root + "\n":             false,
		"\n7\n" + root + "\n":               false,
		"o\n7\n" + root:                     false,
		"o\n7\n" + root[:42] + "B=\n":       false,
		"o\n7\nAAAA\n":                      false,
		"o\n9223372036854775808\n" + root:   false,
		"":                                  false,
		"o\n":                               false,
		"o\n7\n" + root[:20] + "\r" + "A\n": false,
	} {
		origin, tree, err := parseCheckpoint(text)
		written := checkpointBody(origin, tree.N, tree.Hash)
		if (err == nil) != ok || ok && (origin != "o" || !strings.HasPrefix(text, written)) {
			t.Errorf("%q: %q %v %v", text, origin, tree, err)
		}
	}
}

func TestNewLogRefuses(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "with space", "with+plus", "with\nnewline"} {
		key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		_, err := NewLog(nil, &clock.Clock{}, LogOptions{Origin: origin, Key: key})
		if fault.CodeOf(err) != "ledger.bad_log_key" {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}

// FuzzVerifyReceipt: whatever verifies under the trusted key proves the entry that was signed, in every member.
func FuzzVerifyReceipt(f *testing.F) {
	l := testLog(f, "pay.example.com/ledger", 1)
	good := encode(f, testReceipt(f, l, 9, 4))
	want, err := VerifyReceipt(good, l.Key())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Add([]byte(nil))
	f.Add(bytes.Replace(good, []byte("pay_1"), []byte("pay_2"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := VerifyReceipt(data, ""); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%v", err)
		}
		got, err := VerifyReceipt(data, l.Key())
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		if got.Entry != want.Entry || got.Subject != want.Subject || !got.PostedAt.Equal(want.PostedAt) ||
			got.LeafIndex != want.LeafIndex || got.LogSize != want.LogSize || len(got.Lines)+got.LinesHidden != 3 {
			t.Fatalf("proved %+v", got)
		}
		for _, line := range got.Lines {
			if line.Number != 1 && line != want.Lines[line.Number/2] {
				t.Fatalf("proved %+v", line)
			}
		}
	})
}
