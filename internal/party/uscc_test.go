package party_test

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

func TestUSCC(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in      string
		ok      bool
		correct bool
	}{
		{"91110000ABCDEFGH1T", true, true},
		{" 91110000abcdefgh1t ", true, true},
		{"91110000-ABCDEFGH1 T", true, true},
		{"91110000ABCDEFGH1U", true, false},
		{"91110001ABCDEFGH1T", true, false},
		{"91110000ABCDEFGHIT", false, false}, // I is not in the alphabet
		{"9111000AABCDEFGH1T", false, false}, // an area is digits
		{"91110000ABCDEFGH1", false, false},
		{"91110000ABCDEFGH1TT", false, false},
		{"", false, false},
		{strings.Repeat("九", 6), false, false},
	} {
		code, err := party.ParseUSCC(test.in)
		if (err == nil) != test.ok || err != nil && fault.CodeOf(err) != "party.bad_uscc" {
			t.Errorf("ParseUSCC(%q): %q, %v", test.in, code, err)
		}
		if area := code.Area(); test.ok != (area != "") || test.ok && !strings.HasPrefix(area, "11000") {
			t.Errorf("%q is of %q", test.in, area)
		}
		if code.CheckDigitOK() != test.correct {
			t.Errorf("%q: check is %t", test.in, !test.correct)
		}
	}
	// Any one changed character is found: 31 is prime and no weight is a multiple of it.
	good := party.USCC("91110000ABCDEFGH1T")
	for i := range good {
		for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
			changed := good[:i] + party.USCC(c) + good[i+1:]
			if changed != good && changed.CheckDigitOK() {
				t.Errorf("%s passes", changed)
			}
		}
	}
}

func FuzzUSCC(f *testing.F) {
	f.Add("91110000ABCDEFGH1T")
	f.Fuzz(func(t *testing.T, in string) {
		code, err := party.ParseUSCC(in)
		if err != nil {
			return
		}
		if again, err := party.ParseUSCC(string(code)); err != nil || again != code {
			t.Errorf("%q gives %q and %v", code, again, err)
		}
		code.CheckDigitOK()
	})
}
