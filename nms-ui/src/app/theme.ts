import { createTheme, type MantineColorsTuple } from "@mantine/core";

const basalt: MantineColorsTuple = [
  "#e3f7f4",
  "#c5ebe6",
  "#9adcd3",
  "#6cccc0",
  "#4fd1c0",
  "#2aa396",
  "#128a7d",
  "#0b6e66",
  "#085c55",
  "#054a44",
];

const dark: MantineColorsTuple = [
  "#e6eef0",
  "#c2d0d5",
  "#a9bac1",
  "#70838c",
  "#3a4d56",
  "#26363e",
  "#1a2930",
  "#142027",
  "#0d161b",
  "#080f13",
];

/** Mantine in the console's tokens. */
export const theme = createTheme({
  primaryColor: "basalt",
  primaryShade: 7,
  colors: { basalt, dark },
  fontFamily: "var(--b-font)",
  fontFamilyMonospace: "var(--b-mono)",
  defaultRadius: "md",
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "19px" },
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "21px" }, h2: { fontSize: "16px" }, h3: { fontSize: "14px" } } },
  cursorType: "pointer",
  components: {
    Button: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "sm" } },
    Modal: { defaultProps: { centered: true } },
  },
});
