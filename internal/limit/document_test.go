package limit_test

import (
	"os"
	"testing"

	"github.com/feiqian/feiqian/internal/limit"
)

// TestDocument holds docs/limits.md against the data.
func TestDocument(t *testing.T) {
	t.Parallel()
	want, err := limit.Document()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../../docs/limits.md"); err != nil || string(got) != want {
		t.Errorf("docs/limits.md is not what the presets say: run `make generate` (%v)", err)
	}
}
