package wallet_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/wallet"
)

// TestComputeCodeGolden checks the examples that phones are tested with too.
func TestComputeCodeGolden(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/codes.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Secret, Handle, Code string
		Step                 int64
		N                    int
	}
	if err := json.Unmarshal(text, &examples); err != nil || len(examples) == 0 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, e := range examples {
		secret, err := hex.DecodeString(e.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if got := wallet.ComputeCode([32]byte(secret), e.Handle, e.Step, e.N); got != e.Code {
			t.Errorf("%s step %d n %d: %s, want %s", e.Handle, e.Step, e.N, got, e.Code)
		}
		if code, err := wallet.ParseCode(e.Code); err != nil || code.Handle != e.Handle {
			t.Errorf("%s: %v, %v", e.Code, code, err)
		}
	}
}

func TestParseCode(t *testing.T) {
	t.Parallel()
	good := wallet.ComputeCode([32]byte{1}, "0123456789", 59_000_000, 0)
	for _, s := range []string{good, good[:4] + " " + good[4:], " " + strings.Join(strings.Split(good, ""), " ")} {
		if code, err := wallet.ParseCode(s); err != nil || code.Handle != "0123456789" {
			t.Errorf("%q: %v, %v", s, code, err)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "short": good[:23], "long": good + "0", "letters": "x" + good[1:], "prefix": "28" + good[2:],
		"full-width digits": strings.Replace(good, "0", "０", 1), "sign": "+" + good[1:], "blanks": strings.Repeat(" ", 24),
		"very long": good + strings.Repeat(" ", 1<<20),
	} {
		if _, err := wallet.ParseCode(s); fault.CodeOf(err) != "wallet.bad_code" || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	code, err := wallet.ParseCode(good)
	if err != nil {
		t.Fatal(err)
	}
	if printed := fmt.Sprintf("%v %+v %s %#v", code, code, code, code); strings.ContainsAny(printed, "0123456789") {
		t.Errorf("printed %s", printed)
	}
}

// TestCheckDigit: every single wrong digit is found, and every swap of neighbors but 09 and 90.
func TestCheckDigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		good := []byte(wallet.ComputeCode([32]byte{2}, "0123456789",
			rapid.Int64Range(0, 1<<40).Draw(t, "step"), rapid.IntRange(0, 9).Draw(t, "n")))
		wrong := append([]byte(nil), good...)
		i := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		wrong[i] = byte(rapid.IntRange('0', '9').Draw(t, "digit"))
		if _, err := wallet.ParseCode(string(wrong)); (err == nil) != (wrong[i] == good[i]) {
			t.Fatalf("%s for %s: %v", wrong, good, err)
		}
		if i == 0 {
			return
		}
		swapped := append([]byte(nil), good...)
		swapped[i-1], swapped[i] = good[i], good[i-1]
		pair := string(good[i-1 : i+1])
		same := pair[0] == pair[1] || (pair == "09" || pair == "90") && i > 1
		if _, err := wallet.ParseCode(string(swapped)); (err == nil) != same {
			t.Fatalf("%s for %s: %v", swapped, good, err)
		}
	})
}

func TestStepOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ seconds, step int64 }{{0, 0}, {29, 0}, {30, 1}, {1_770_000_000, 59_000_000}} {
		if got := wallet.StepOf(time.Unix(test.seconds, 999)); got != test.step {
			t.Errorf("step of %d = %d, want %d", test.seconds, got, test.step)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(wallet.ComputeCode([32]byte{1}, "0123456789", 59_000_000, 0))
	f.Add("95 0000 0000 00 0 0000 0000 00 0")
	f.Add("28763443825664394")
	f.Fuzz(func(t *testing.T, s string) {
		code, err := wallet.ParseCode(s)
		if err != nil {
			if code != (wallet.Code{}) {
				t.Errorf("%q gives a code and %v", s, err)
			}
			return
		}
		digits := strings.ReplaceAll(s, " ", "")
		if len(digits) != 24 || digits[2:12] != code.Handle || strings.Trim(digits, "0123456789") != "" {
			t.Errorf("%q passes as a code of %q", s, code.Handle)
		}
	})
}
