package party_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

func TestResidentID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		birth clock.Date
		male  bool
	}{
		{"11010519491231002X", "1949-12-31", false}, // GB 11643 annex
		{"11010519491231002x", "1949-12-31", false},
		{"440524188001010014", "1880-01-01", true},
		{"510104198511230156", "1985-11-23", true},
	} {
		got, err := party.ParseResidentID(test.text)
		if err != nil || got.BirthOn != test.birth || got.Male != test.male || got.Area != test.text[:6] {
			t.Errorf("%s: %+v, %v", test.text, got, err)
		}
	}
	for name, text := range map[string]string{
		"Empty": "", "Short": "11010519491231002", "Long": "11010519491231002XX", "Fifteen": "110105491231002",
		"Check": "110105194912310021", "Letter": "1101051949123100AX", "Wide": "１１010519491231002X",
		"Area": "99010519491231002X", "Month": checked("11010519491331002"), "Day": checked("11010519900230011"),
		"LeapNot": checked("11010519000229001"), "Zero": checked("11010500000000001"), "Province": checked("10010519491231002"),
	} {
		if got, err := party.ParseResidentID(text); fault.CodeOf(err) != "party.bad_resident_id" {
			t.Errorf("%s: %+v, %v", name, got, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error shows the number", name)
		}
	}
	if _, err := party.ParseResidentID(checked("11010520000229001")); err != nil { // a leap year
		t.Error(err)
	}
	// Any one digit changed, and any two neighbors changed over, is seen.
	const number = "510104198511230156"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			changed := []byte(number)
			if changed[i] == d {
				continue
			}
			changed[i] = d
			if _, err := party.ParseResidentID(string(changed)); err == nil {
				t.Errorf("%s passes", changed)
			}
		}
	}
}

// checked adds the check character to 17 digits, as the standard's text says, apart from our code.
func checked(digits string) string {
	sum := 0
	for i := range 17 {
		weight := 1
		for range 17 - i {
			weight = weight * 2 % 11
		}
		sum += int(digits[i]-'0') * weight
	}
	rest := (12 - sum%11) % 11
	if rest == 10 {
		return digits + "X"
	}
	return fmt.Sprint(digits, rest)
}

func FuzzResidentID(f *testing.F) {
	f.Add("11010519491231002X")
	f.Add("510104198511230156")
	f.Fuzz(func(t *testing.T, number string) {
		if id, err := party.ParseResidentID(number); err == nil {
			if again, err := party.ParseResidentID(id.Number); err != nil || again != id {
				t.Errorf("%q: %v", number, err)
			}
		} else if len(number) > 5 && strings.Contains(err.Error(), number) {
			t.Error("an error shows the number")
		}
	})
}
