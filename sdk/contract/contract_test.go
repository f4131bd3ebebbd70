package contract_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/feiqian/feiqian/sdk/contract"
)

// TestDocument holds sdk/openapi.json against the routes.
func TestDocument(t *testing.T) {
	t.Parallel()
	want, err := contract.Document()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../openapi.json"); err != nil || string(got) != string(want) {
		t.Errorf("sdk/openapi.json is not what the routes say: run `make generate` (%v)", err)
	}
}

// TestGoTypes holds the Go types against sdk/openapi.json. The first run builds the generator.
func TestGoTypes(t *testing.T) {
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), "types.go")
	command := exec.CommandContext(t.Context(), "go", "tool", "-modfile=tools.mod",
		"oapi-codegen", "-config", "types.yaml", "-o", fresh, "../openapi.json")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../go/types.gen.go"); err != nil || string(got) != string(want) {
		t.Errorf("sdk/go/types.gen.go is not what sdk/openapi.json says: run `make generate` (%v)", err)
	}
}
