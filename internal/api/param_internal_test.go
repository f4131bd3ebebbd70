package api

import "testing"

func TestWithoutNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "lines[0].amount": "lines[0].amount", "6222021234567890128": "****", "a12345678b": "a12345678b",
		"a123456789": "a****", "x6222021234567890128y11010519491231002X": "x****y****X", "12345678.123456789": "12345678.****",
	} {
		if got := withoutNumbers(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
