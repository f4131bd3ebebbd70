package config

import (
	"testing"
)

func TestMaskURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"sqlite:var/feiqian.db", "sqlite:var/feiqian.db"},
		{"postgres://feiqian:s3cret@db:5432/books", "postgres://feiqian:***@db:5432/books"},
		{"postgres://feiqian:s%40cret@db/books?sslmode=require", "postgres://feiqian:***@db/books?sslmode=require"},
		{"postgres://db/books?password=s3cret&user=x", "postgres://db/books?password=***&user=x"},
		{"postgres://db/books?sslpassword=s3cret", "postgres://db/books?sslpassword=***"},
		{"postgres:///books?host=%2Ftmp", masked},
		{"http://127.0.0.1:4318", "http://127.0.0.1:4318"},
		{"postgres://feiqian:s3cret%zz@db", masked},
		{"postgres://db/books?password=s3cret;x", masked},
		{"host=db password=s3cret", masked},
		{"s3cret", masked},
	} {
		if got := maskURL(test.text); got != test.want {
			t.Errorf("maskURL(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func TestAttrsMasksValues(t *testing.T) {
	t.Parallel()
	type settings struct {
		Open   string `toml:"open"`
		Key    string `toml:"key" secret:"value"`
		Absent string `toml:"absent" secret:"value"`
	}
	got := attrs(settings{Open: "seen", Key: "s3cret"})
	for i, want := range []string{"open=seen", "key=***", "absent="} {
		if got[i].String() != want {
			t.Errorf("attrs[%d] = %s, want %s", i, got[i], want)
		}
	}
}
