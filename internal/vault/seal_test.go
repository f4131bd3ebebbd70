package vault_test

import (
	"bytes"
	"testing"

	"github.com/feiqian/feiqian/internal/vault"
)

func TestSeal(t *testing.T) {
	t.Parallel()
	v, err := vault.OpenOrCreate(t.TempDir() + "/key")
	if err != nil {
		t.Fatal(err)
	}
	other, err := vault.OpenOrCreate(t.TempDir() + "/key")
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("secret "), 10_000)} {
		sealed := v.Seal("identity", "cus_1/document", plain)
		if len(sealed) != len(plain)+29 || sealed[0] != 1 {
			t.Errorf("%d bytes became %d, version %d", len(plain), len(sealed), sealed[0])
		}
		if len(plain) > 0 && bytes.Contains(sealed, plain[:min(len(plain), 7)]) && len(plain) > 1 {
			t.Error("the plain text shows")
		}
		if got, err := v.Open("identity", "cus_1/document", sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if bytes.Equal(sealed, v.Seal("identity", "cus_1/document", plain)) {
			t.Error("the same twice")
		}
		changed := bytes.Clone(sealed)
		changed[len(changed)-1] ^= 1
		version := bytes.Clone(sealed)
		version[0] = 2
		for name, open := range map[string]func() ([]byte, error){
			"Purpose": func() ([]byte, error) { return v.Open("card", "cus_1/document", sealed) },
			"Place":   func() ([]byte, error) { return v.Open("identity", "cus_2/document", sealed) },
			"Key":     func() ([]byte, error) { return other.Open("identity", "cus_1/document", sealed) },
			"Changed": func() ([]byte, error) { return v.Open("identity", "cus_1/document", changed) },
			"Version": func() ([]byte, error) { return v.Open("identity", "cus_1/document", version) },
			"Cut":     func() ([]byte, error) { return v.Open("identity", "cus_1/document", sealed[:20]) },
			"Empty":   func() ([]byte, error) { return v.Open("identity", "cus_1/document", nil) },
		} {
			if got, err := open(); err == nil || got != nil {
				t.Errorf("%s opens", name)
			}
		}
	}
}

func TestMAC(t *testing.T) {
	t.Parallel()
	v, err := vault.OpenOrCreate(t.TempDir() + "/key")
	if err != nil {
		t.Fatal(err)
	}
	other, err := vault.OpenOrCreate(t.TempDir() + "/key")
	if err != nil {
		t.Fatal(err)
	}
	mac := v.MAC("identity", "11010519491231002X")
	if mac != v.MAC("identity", "11010519491231002X") || len(mac) != 43 {
		t.Error(mac)
	}
	for _, same := range []string{
		v.MAC("identity", "110105194912310021"), v.MAC("card", "11010519491231002X"), other.MAC("identity", "11010519491231002X"),
	} {
		if same == mac {
			t.Error("two are the same")
		}
	}
}
