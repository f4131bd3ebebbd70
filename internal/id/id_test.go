package id_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/id"
)

// decode reads the 26 characters behind the prefix as the 128 bits of a UUID.
func decode(t *testing.T, s string) uuid.UUID {
	t.Helper()
	n := new(big.Int)
	for _, char := range s[strings.IndexByte(s, '_')+1:] {
		digit := strings.IndexRune("0123456789abcdefghjkmnpqrstvwxyz", char)
		if digit < 0 {
			t.Fatalf("%q is not lower-case Crockford base 32", s)
		}
		n.Lsh(n, 5).Or(n, big.NewInt(int64(digit)))
	}
	if n.BitLen() > 128 {
		t.Fatalf("%q is wider than 128 bits", s)
	}
	var u uuid.UUID
	n.FillBytes(u[:])
	return u
}

func TestNewIsUUIDv7(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 30, 0, 123_456_000, time.UTC)
	u := decode(t, string(id.New[id.Payment](now)))
	if u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		t.Errorf("%v: version %v, variant %v", u, u.Version(), u.Variant())
	}
	ms := int64(0)
	for _, b := range u[:6] {
		ms = ms<<8 | int64(b)
	}
	if ms != now.UnixMilli() {
		t.Errorf("%v holds %d ms, want %d", u, ms, now.UnixMilli())
	}
}

func TestNewPrefix(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, got := range map[string]string{
		"cus": string(id.New[id.Customer](now)), "mer": string(id.New[id.Merchant](now)),
		"stf": string(id.New[id.Staff](now)), "dev": string(id.New[id.Device](now)),
		"ses": string(id.New[id.Session](now)), "key": string(id.New[id.APIKey](now)),
		"ba": string(id.New[id.BankAccount](now)), "pay": string(id.New[id.Payment](now)),
		"rfd": string(id.New[id.Refund](now)), "wtr": string(id.New[id.WalletTransfer](now)),
		"top": string(id.New[id.TopUp](now)), "po": string(id.New[id.Payout](now)),
		"att": string(id.New[id.Attempt](now)), "ent": string(id.New[id.Entry](now)),
		"hld": string(id.New[id.Hold](now)), "evt": string(id.New[id.Event](now)),
		"job": string(id.New[id.Job](now)), "grp": string(id.New[id.Group](now)),
		"req": string(id.New[id.Request](now)), "lch": string(id.New[id.LimitChange](now)),
		"crd": string(id.New[id.Card](now)), "dsp": string(id.New[id.Dispute](now)),
		"dsf": string(id.New[id.DisputeFile](now)),
	} {
		if rest, ok := strings.CutPrefix(got, want+"_"); !ok || len(rest) != id.Length {
			t.Errorf("%q does not have the form %s_ and %d characters", got, want, id.Length)
		}
	}
}

func TestNewSortsByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.SliceOfN(rapid.Int64Range(0, 253402300799_999), 2, 20).Draw(t, "ms")
		slices.Sort(us)
		us = slices.Compact(us)
		ids := make([]id.Entry, len(us))
		for i, ms := range us {
			ids[i] = id.New[id.Entry](time.UnixMilli(ms))
		}
		if !slices.IsSorted(ids) {
			t.Fatalf("ids of rising instants do not sort: %v", ids)
		}
	})
}

func TestNewIsUnique(t *testing.T) {
	t.Parallel()
	now, seen := time.Now(), map[id.Event]bool{}
	for range 100_000 {
		seen[id.New[id.Event](now)] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("100000 ids of one instant, %d of them different", len(seen))
	}
}

func TestNewBefore1970(t *testing.T) {
	t.Parallel()
	u := decode(t, string(id.New[id.Event](time.Time{})))
	if !slices.Equal(u[:6], make([]byte, 6)) {
		t.Errorf("an instant before 1970 counts as 1970: %v", u)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	made := id.New[id.Payment](time.Now())
	if got, err := id.Parse[id.Payment](string(made)); err != nil || got != made {
		t.Errorf("Parse(%q) = %q, %v", made, got, err)
	}
	good := string(made[len("pay_"):])
	for name, s := range map[string]string{
		"Empty":       "",
		"PrefixOnly":  "pay_",
		"NoPrefix":    good,
		"OtherPrefix": "rfd_" + good,
		"NoUnderline": "pay" + good,
		"Short":       "pay_" + good[1:],
		"Long":        "pay_" + good + "0",
		"UpperCase":   "pay_" + strings.Repeat("A", id.Length),
		"LetterL":     "pay_" + strings.Repeat("0", id.Length-1) + "l",
		"LetterU":     "pay_" + strings.Repeat("0", id.Length-1) + "u",
		"Space":       "pay_" + good[:id.Length-1] + " ",
		"Sign":        "pay_" + good[:id.Length-2] + "é",
	} {
		if got, err := id.Parse[id.Payment](s); err == nil || got != "" {
			t.Errorf("%s: Parse(%q) = %q, want an error", name, s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(id.New[id.Payment](time.UnixMilli(0))))
	f.Add("pay_")
	f.Add("rfd_01jdzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := id.Parse[id.Payment](s)
		if err != nil {
			if got != "" {
				t.Fatalf("Parse(%q) = %q beside an error", s, got)
			}
			return
		}
		if string(got) != s || len(s) != len("pay_")+id.Length || strings.ToLower(s) != s {
			t.Fatalf("Parse(%q) = %q", s, got)
		}
	})
}

func TestMember(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_700_000_000_000)
	early, late := id.New[id.Group](now), id.New[id.Group](now.Add(time.Millisecond))
	rising := []id.Event{
		id.Member[id.Event](early, 0, 0), id.Member[id.Event](early, 0, 1), id.Member[id.Event](early, 0, id.MemberMax),
		id.Member[id.Event](early, 1, 0), id.Member[id.Event](early, id.MemberMax, 0), id.Member[id.Event](late, 0, 0),
	}
	if !slices.IsSorted(rising) || len(slices.Compact(slices.Clone(rising))) != len(rising) {
		t.Errorf("members do not sort: %v", rising)
	}
	for i, member := range rising {
		if _, err := id.Parse[id.Event](string(member)); err != nil {
			t.Errorf("%s: %v", member, err)
		}
		if first, want := id.First(member), rising[[]int{0, 0, 0, 3, 4, 5}[i]]; first != want {
			t.Errorf("the first of %s is %s, want %s", member, first, want)
		}
	}
	if u := decode(t, string(rising[2])); u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		t.Errorf("%s is not a UUID of version 7", rising[2])
	}
}
