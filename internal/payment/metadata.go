package payment

import (
	"encoding/json"

	"github.com/feiqian/feiqian/internal/fault"
)

// Limits of a payment's metadata.
const (
	MetadataKeysMax  = 20
	MetadataKeyMax   = 40
	MetadataValueMax = 500
)

func checkMetadata(metadata map[string]string) error {
	bad := fault.Newf(fault.Invalid, "payment.bad_metadata",
		"metadata has at most %d keys of 1 to %d printable characters, with values of at most %d",
		MetadataKeysMax, MetadataKeyMax, MetadataValueMax).WithParam("metadata")
	if len(metadata) > MetadataKeysMax {
		return bad
	}
	for key, value := range metadata {
		if key == "" || !printable(key, MetadataKeyMax) || !printable(value, MetadataValueMax) {
			return bad
		}
	}
	return nil
}

func encodeMetadata(metadata map[string]string) string {
	if len(metadata) == 0 {
		return ""
	}
	text, _ := json.Marshal(metadata) //nolint:errchkjson // texts always can be written
	return string(text)
}

func decodeMetadata(text string) map[string]string {
	if text == "" {
		return nil
	}
	var metadata map[string]string
	_ = json.Unmarshal([]byte(text), &metadata) // written by encodeMetadata
	return metadata
}
