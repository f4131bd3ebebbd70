package httpsig

// SignSM2As signs under another user id, as mistaken signers do.
func SignSM2As(by SM2Signer, userID string, base []byte) ([]byte, error) {
	der, err := by.sign(userID, base)
	return rawOf(der, err)
}
