package job

import (
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"bank.timeout: no answer in 5s": "bank.timeout: no answer in 5s",
		"capture pay_01jdzzzzzzzzzzzzzzzzzzzzzz: refused":  "capture pay_01jdzzzzzzzzzzzzzzzzzzzzzz: refused",
		"card 6222021234567890 refused":                    "card ***7890 refused",
		"card 6222-0212-3456-7890.":                        "card ***7890.",
		"call 138 1234 5678 now":                           "call ***5678 now",
		"12345678 is short enough":                         "12345678 is short enough",
		"track ;6222021234567890=25121011000":              "track ;***",
		"dial postgres://feiqian:secret@db:5432/x: failed": "dial postgres://***@db:5432/x: failed",
		"key " + strings.Repeat("aB3", 12) + " is bad":     "key *** is bad",
		"付款失败":                                             "付款失败",
		"bad \xff byte":                                    "bad ? byte",
	} {
		if got := mask(text); got != want {
			t.Errorf("mask(%q) = %q, want %q", text, got, want)
		}
	}
	if got := mask(strings.Repeat("付", 400)); len(got) > errorLengthMax || !strings.HasPrefix(got, "付付") {
		t.Errorf("%d bytes", len(got))
	}
}

func FuzzMask(f *testing.F) {
	f.Add("card 6222 0212 3456 7890 at https://user:pw@host/")
	f.Fuzz(func(t *testing.T, text string) {
		if got := mask(text); len(got) > errorLengthMax || !strings.HasPrefix(strings.ToValidUTF8(got, ""), got) {
			t.Errorf("mask(%q) = %q", text, got)
		}
	})
}
