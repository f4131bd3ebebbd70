// Command write writes the merchants' part of the OpenAPI document to the file that it is given: `make generate`
// runs it for sdk/openapi.json.
package main

import (
	"log"
	"os"

	"github.com/feiqian/feiqian/sdk/contract"
)

func main() {
	if len(os.Args) != 2 { //nolint:mnd // the program and the file
		log.Fatal("usage: write FILE")
	}
	text, err := contract.Document()
	if err == nil {
		err = os.WriteFile(os.Args[1], text, 0o644) //nolint:gosec // a file of the manual, named by the developer
	}
	if err != nil {
		log.Fatal(err)
	}
}
