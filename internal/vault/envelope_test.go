package vault_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/sqldb"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/internal/vault"
)

const marker = "6222021234567890128"

// attached returns the vault of the zero root on db.
func attached(t *testing.T, db *sqldb.DB, clk *clock.Clock, columns ...vault.Sealed) *vault.Vault {
	t.Helper()
	v := opened(t, zero)
	if err := v.Attach(t.Context(), vault.Attachment{DB: db, Clock: clk, Columns: columns}); err != nil {
		t.Fatal(err)
	}
	return v
}

func sealedBy(t *testing.T, v *vault.Vault, purpose, aad, plain string) []byte {
	t.Helper()
	sealed, err := v.Seal(purpose, []byte(aad), []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func opens(t *testing.T, v *vault.Vault, purpose, aad string, sealed []byte, want string) {
	t.Helper()
	plain, err := v.Open(purpose, []byte(aad), sealed)
	if err != nil || string(plain) != want {
		t.Errorf("opened %q, %v; want %q", plain, err, want)
	}
}

// TestTampered changes every bit of a sealed value, cuts it and moves it: nothing of it opens.
func TestTampered(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		v := attached(t, db, &clock.Clock{})
		sealed := sealedBy(t, v, "card.pan", "row 1", marker)
		opens(t, v, "card.pan", "row 1", sealed, marker)
		if len(sealed) != len(marker)+vault.SealedOverhead || bytes.Contains(sealed, []byte(marker)) {
			t.Errorf("%d bytes", len(sealed))
		}
		refused := func(what, purpose, aad string, sealed []byte) {
			t.Helper()
			plain, err := v.Open(purpose, []byte(aad), sealed)
			code := fault.CodeOf(err)
			if code != "vault.bad_sealed" && code != "vault.unknown_version" || plain != nil {
				t.Errorf("%s: opened %q, %v", what, plain, err)
			}
			if err != nil && strings.Contains(err.Error(), marker) {
				t.Errorf("%s: the error tells", what)
			}
		}
		for i := range sealed {
			for bit := range 8 {
				changed := bytes.Clone(sealed)
				changed[i] ^= 1 << bit
				refused("changed", "card.pan", "row 1", changed)
			}
			refused("cut", "card.pan", "row 1", sealed[:i])
		}
		refused("longer", "card.pan", "row 1", append(bytes.Clone(sealed), 0))
		refused("another row", "card.pan", "row 2", sealed)
		refused("no row", "card.pan", "", sealed)
		refused("another purpose", "identity.document", "row 1", sealed)
		sealedBy(t, v, "identity.document", "row 1", "x") // the purpose has keys of its own by now
		refused("another purpose with keys", "identity.document", "row 1", sealed)
		for _, version := range []uint32{0, 2, 1 << 31} {
			changed := bytes.Clone(sealed)
			binary.BigEndian.PutUint32(changed[1:], version)
			refused("another version", "card.pan", "row 1", changed)
		}
		if again := sealedBy(t, v, "card.pan", "row 1", marker); bytes.Equal(again, sealed) {
			t.Error("the same text is sealed the same twice")
		}
		opens(t, v, "card.pan", "", sealedBy(t, v, "card.pan", "", ""), "")
		for _, purpose := range []string{"", "Card", "a/b", "a b", string(bytes.Repeat([]byte("a"), 65))} {
			if _, err := v.Seal(purpose, nil, nil); fault.CodeOf(err) != "vault.bad_purpose" {
				t.Errorf("purpose %q: %v", purpose, err)
			}
		}
	})
}

// TestUnattached: without a database there is one derived key a purpose, which an attached vault opens too.
func TestUnattached(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		alone := opened(t, zero)
		sealed := sealedBy(t, alone, "identity.document", "row 1", marker)
		opens(t, alone, "identity.document", "row 1", sealed, marker)
		v := attached(t, db, &clock.Clock{})
		opens(t, v, "identity.document", "row 1", sealed, marker)
		if _, err := alone.Open("card.pan", []byte("row 1"), sealed); fault.CodeOf(err) != "vault.bad_sealed" {
			t.Errorf("another purpose: %v", err)
		}
		later := sealedBy(t, v, "identity.document", "row 1", marker)
		if _, err := alone.Open("identity.document", []byte("row 1"), later); fault.CodeOf(err) != "vault.unknown_version" {
			t.Errorf("a stored key without a database: %v", err)
		}
		if _, err := alone.Keys(t.Context()); fault.CodeOf(err) != "vault.not_attached" {
			t.Errorf("keys: %v", err)
		}
	})
}

// TestOtherRoot: a database made under another root secret is refused at the start.
func TestOtherRoot(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		clk, column := &clock.Clock{}, vault.Sealed{Purpose: "card.pan", Table: "cards", Key: "id", Column: "sealed_pan"}
		sealedBy(t, attached(t, db, clk, column), "card.pan", "", marker)
		other := opened(t, "feiqian-root-1:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
		err := other.Attach(t.Context(), vault.Attachment{DB: db, Clock: clk, Columns: []vault.Sealed{column}})
		if fault.CodeOf(err) != "vault.bad_wrapped_key" || fault.From(err).Hint == "" {
			t.Errorf("attach: %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	sealed := func() []byte {
		out := make([]byte, vault.SealedOverhead+3)
		out[0] = 1
		return out
	}
	f.Add(sealed(), []byte("row"), "card.pan")
	f.Add([]byte{}, []byte{}, "")
	f.Add([]byte{1, 0, 0, 0, 1}, []byte{}, "x")
	v, err := vault.Create(f.TempDir() + "/key")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sealed, aad []byte, purpose string) {
		if plain, err := v.Open(purpose, aad, sealed); err == nil {
			t.Fatalf("%x opened: %x", sealed, plain)
		}
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	v := opened(t, zero)
	seen := map[string]string{}
	for name, made := range map[string]string{
		"one":           v.Fingerprint("card.pan", "cus_1", marker),
		"two customers": v.Fingerprint("card.pan", "cus_2", marker),
		"purpose":       v.Fingerprint("card.check", "cus_1", marker),
		"parts":         v.Fingerprint("card.pan", "cus_", "1"+marker),
		"joined":        v.Fingerprint("card.pan", "cus_1"+marker),
		"more":          v.Fingerprint("card.pan", "cus_1", marker, ""),
		"none":          v.Fingerprint("card.pan"),
	} {
		if other, there := seen[made]; there {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		seen[made] = name
	}
	if v.Fingerprint("card.pan", marker) != opened(t, zero).Fingerprint("card.pan", marker) {
		t.Error("a fingerprint differs from time to time")
	}
}
