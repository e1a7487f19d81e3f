"""What a method looks at: one file a modality."""
