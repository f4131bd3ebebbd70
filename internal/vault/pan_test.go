package vault_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/vault"
)

func TestParsePAN(t *testing.T) {
	t.Parallel()
	for text, test := range map[string]struct {
		masked string
		luhn   bool
	}{
		"4111111111111111":     {"411111******1111", true},
		"4111 1111 1111 1111":  {"411111******1111", true},
		"4111-1111-1111-1112":  {"411111******1112", false},
		"6222021234567890128":  {"622202*********0128", true},
		"4222222222222":        {"422222***2222", true},
		"378282246310005":      {"378282*****0005", true},
		"622202123456789012":   {"622202********9012", true},
		"411111111111":         {}, // 12 digits
		"41111111111111111111": {}, // 20 digits
		"":                     {},
		"411111111111111a":     {},
		"４１１１１１１１１１１１１１１１":        {},
		"4111\u00a0111111111111":  {},
		"+4111111111111111":       {},
		strings.Repeat("4 ", 100): {},
	} {
		pan, err := vault.ParsePAN(text)
		if test.masked == "" {
			if fault.CodeOf(err) != "card.bad_number" || pan.Reveal() != "" ||
				(text != "" && strings.Contains(err.Error(), text)) {
				t.Errorf("%q: %v, %v", text, pan, err)
			}
			continue
		}
		if err != nil || pan.Masked() != test.masked || len(pan.BIN()) != 8 || !strings.HasSuffix(test.masked, pan.Last4()) {
			t.Errorf("%q: %v, %v", text, pan, err)
		}
		if test.luhn != pan.Luhn() {
			t.Errorf("%q: check digit %v", text, pan.Luhn())
		}
	}
}

func TestPANPrintsMasked(t *testing.T) {
	t.Parallel()
	pan, err := vault.ParsePAN(marker)
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct{ inner vault.PAN }
	var out strings.Builder
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	logger.Info("bind", slog.Any("pan", pan), slog.Any("in", hidden{pan}), slog.Any("out", struct{ P vault.PAN }{pan}))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, pan, &pan, hidden{pan}, struct{ P *vault.PAN }{&pan})
	}
	encoded, err := json.Marshal(map[string]any{"pan": pan})
	if err != nil {
		t.Fatal(err)
	}
	text := out.String() + string(encoded)
	for _, leak := range []string{marker, marker[:7], fmt.Sprintf("%x", marker)} {
		if strings.Contains(text, leak) {
			t.Errorf("%q is printed: %s", leak, text)
		}
	}
	var none vault.PAN
	if none.Masked()+none.Last4()+none.BIN()+none.Reveal() != "" || none.Luhn() {
		t.Error("the zero PAN shows something")
	}
}

func FuzzParsePAN(f *testing.F) {
	for _, seed := range []string{marker, "4111 1111 1111 1111", "", "0", strings.Repeat("9", 19), "-4-1-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pan, err := vault.ParsePAN(text)
		if err != nil {
			return
		}
		digits := pan.Reveal()
		if len(digits) < 13 || len(digits) > 19 || len(pan.Masked()) != len(digits) ||
			strings.Contains(pan.Masked(), digits) || strings.Count(pan.Masked(), "*") != len(digits)-10 {
			t.Fatalf("%q: %v", text, pan)
		}
		_ = pan.Luhn()
	})
}
