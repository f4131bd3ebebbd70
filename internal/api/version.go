package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/feiqian/feiqian/internal/apiversion"
	"github.com/feiqian/feiqian/internal/fault"
)

// chooseVersion takes the dated version that a merchant's request names, or the newest, and says which it is. Errors:
// request.unknown_version.
func (x *exchange) chooseVersion() error {
	asked := x.request.Header[apiversion.Header]
	version := apiversion.Newest()
	if len(asked) > 0 {
		version = asked[0]
	}
	if len(asked) > 1 || !apiversion.Known(version) {
		return fault.New(fault.Invalid, "request.unknown_version", "there is no such version of the API").
			WithParam(apiversion.Header).
			WithHint("use one of " + strings.Join(apiversion.Versions(), ", ") + ", or leave it out")
	}
	x.version = version
	x.Header()[apiversion.Header] = []string{version}
	return nil
}

// versionParameter documents the header.
func versionParameter() *huma.Param {
	versions := []any{}
	for _, version := range apiversion.Versions() {
		versions = append(versions, version)
	}
	return &huma.Param{
		Name: apiversion.Header, In: "header",
		Description: "The dated version in which you want the answer; default the newest. What they changed:\n\n" +
			apiversion.History(),
		Schema: &huma.Schema{Type: huma.TypeString, Enum: versions, Default: apiversion.Newest()},
	}
}
