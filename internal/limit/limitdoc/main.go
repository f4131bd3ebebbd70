// Command limitdoc writes the table of limits to the file that it is given: `make generate` runs it for docs/limits.md.
package main

import (
	"log"
	"os"

	"github.com/feiqian/feiqian/internal/limit"
)

func main() {
	if len(os.Args) != 2 { //nolint:mnd // the program and the file
		log.Fatal("usage: limitdoc FILE")
	}
	text, err := limit.Document()
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(text), 0o644) //nolint:gosec // a page of the manual, named by the developer
	}
	if err != nil {
		log.Fatal(err)
	}
}
