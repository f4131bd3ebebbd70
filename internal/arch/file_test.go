package arch_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// linesMax is the most lines of code in one file, without blank lines and comments.
const linesMax = 400

// goFile is one Go source file, by its path from the root.
type goFile struct {
	path string
	text []byte
}

// goFiles returns every Go file of the module.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	walk(t, func(name string) {
		if path.Ext(name) == ".go" {
			files = append(files, goFile{path: name, text: read(t, name)})
		}
	})
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// imports returns the paths that the file imports.
func (f goFile) imports(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, imported)
	}
	return paths
}

// isGenerated reports whether a program wrote the file.
func (f goFile) isGenerated(t *testing.T) bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.text, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return ast.IsGenerated(parsed)
}

// codeLines counts the lines that hold code, the inside of long strings included.
func codeLines(text []byte) int {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(text))
	var tokens scanner.Scanner
	tokens.Init(file, text, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, literal := tokens.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if literal == "\n" {
			continue // the semicolon that a line's end stands for
		}
		first := file.Line(at)
		for line := first; line <= first+strings.Count(literal, "\n"); line++ {
			lines[line] = true
		}
	}
}

func TestFileLength(t *testing.T) {
	t.Parallel()
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file.path, "_test.go") || file.isGenerated(t) {
			continue
		}
		if lines := codeLines(file.text); lines > linesMax {
			t.Errorf("%s has %d lines of code; at most %d, one thing a file", file.path, lines, linesMax)
		}
	}
}

func TestCodeLines(t *testing.T) {
	t.Parallel()
	text := "// Package x.\npackage x\n\n/* two\nlines */\n" +
		"var a = `one\ntwo\n\nthree` // four\n\nfunc f() {\n\t// why\n}\n"
	if got := codeLines([]byte(text)); got != 7 {
		t.Errorf("codeLines = %d, want 7", got)
	}
}

// The words are put together here so that this file does not find itself.
var (
	openWork    = regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME" + `)\b`)
	numberedIt  = regexp.MustCompile(`\b` + "TO" + `DO\(#[0-9]+\)`)
	writtenText = map[string]bool{
		".go": true, ".md": true, ".sql": true, ".sh": true, ".ts": true, ".tsx": true, ".css": true, ".html": true,
		".yaml": true, ".yml": true, ".toml": true, ".json": true, ".py": true, ".java": true, ".kt": true, "": true,
	}
)

// TestOpenWork wants an issue number behind every mark of work to do, in source and in docs.
func TestOpenWork(t *testing.T) {
	t.Parallel()
	walk(t, func(name string) {
		if !writtenText[path.Ext(name)] {
			return
		}
		for number, line := range strings.Split(string(read(t, name)), "\n") {
			if openWork.MatchString(numberedIt.ReplaceAllString(line, "")) {
				t.Errorf("%s:%d: open work without an issue; write it as %s(#123) or do it", name, number+1, "TO"+"DO")
			}
		}
	})
}

func TestOpenWorkPattern(t *testing.T) {
	t.Parallel()
	for line, open := range map[string]bool{
		"// TO" + "DO: later":          true,
		"// TO" + "DO(somebody) later": true,
		"// FIX" + "ME":                true,
		"// TO" + "DO(#12) later":      false,
		"todo lists are fine":          false,
		"MASTODON":                     false,
	} {
		if got := openWork.MatchString(numberedIt.ReplaceAllString(line, "")); got != open {
			t.Errorf("%q: open %v", line, got)
		}
	}
}
