"""Images of rpm: Red Hat's family, Fedora, SUSE's, Amazon's, Azure's, Photon."""
